"""Runs an ONNX model in onnxruntime: MODEL IMAGES SIZE THREADS.

A line {"do": "run"} is answered by the logits, a line {"do": "turn", "seconds": S} by the seconds of each run.
"""

import json
import sys
import time

import numpy
import onnxruntime

model, images, size, threads = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
images = numpy.fromfile(images, numpy.float32).reshape(-1, 3, int(size), int(size))


def run():
    return session.run(["logits"], {"images": images})[0]


for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "run":
        answer = run().ravel().tolist()
    else:
        start, answer = time.perf_counter(), []
        while not answer or time.perf_counter() - start < request["seconds"]:
            before = time.perf_counter()
            run()
            answer.append(time.perf_counter() - before)
    print(json.dumps(answer), flush=True)
