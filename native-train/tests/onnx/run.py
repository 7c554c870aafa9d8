"""Checks every ONNX model of a folder and runs it in onnxruntime.

NAME.onnx and NAME.images (f32, N C H W) give NAME.logits (f32) and NAME.json (what the file says of itself).
"""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    _, *shape = session.get_inputs()[0].shape
    images = numpy.fromfile(path.with_suffix(".images"), numpy.float32).reshape(-1, *shape)
    (logits,) = session.run(["logits"], {"images": images})
    # The batch is free: an image alone gives what it gives among others.
    (alone,) = session.run(["logits"], {"images": images[:1]})
    assert numpy.allclose(alone, logits[:1], rtol=1e-3, atol=1e-3 * numpy.abs(logits).max()), path
    logits.tofile(path.with_suffix(".logits"))
    said = {"doc": model.doc_string, "metadata": session.get_modelmeta().custom_metadata_map}
    path.with_suffix(".json").write_text(json.dumps(said), encoding="utf-8")
