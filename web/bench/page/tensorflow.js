// TensorFlow.js: the level's graph as driver/tensorflow.js wrote it down, one operation after another.

import { adapterName } from "./adapter.js";
import { bytesOf, textOf } from "./fetch.js";

const DIST = "/node_modules/@tensorflow";

export async function open({ backend, size, levels }) {
  await script("core");
  await script(`backend-${backend}`);
  // The library's own global name.
  const tf = globalThis.tf;
  if (backend === "wasm") {
    tf.wasm.setWasmPaths(`${DIST}/tfjs-backend-wasm/dist/`);
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  }
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js cannot start its ${backend} backend`);
  await tf.ready();
  const adapter = backend === "webgpu" ? await adapterName() : "WebAssembly, 1 thread";
  let nodes;
  let weights = new Map();
  return {
    logits: true,
    adapter,
    async load(level) {
      const base = `${levels}/level-${level}.tensorflow`;
      const [json, numbers] = await Promise.all([textOf(`${base}.json`), bytesOf(`${base}.bin`)]);
      for (const tensor of weights.values()) tensor.dispose();
      const graph = JSON.parse(json);
      nodes = graph.nodes;
      weights = new Map(
        graph.weights.map(({ name, type, shape, offset }) => {
          const kind = type === "int32" ? Int32Array : Float32Array;
          const length = shape.reduce((a, b) => a * b, 1);
          return [name, tf.tensor(new kind(numbers.buffer, offset, length), shape, type)];
        }),
      );
    },
    input: (rgb) => Float32Array.from(rgb, (value) => value / 255),
    async run(images, count) {
      const output = tf.tidy(() => {
        const values = new Map(weights);
        values.set("images", tf.tensor4d(images, [count, size, size, 3]));
        for (const node of nodes) {
          const inputs = node.inputs.map((name) => values.get(name));
          values.set(node.output, OPERATIONS[node.op](tf, inputs, node));
        }
        return values.get("logits");
      });
      const data = backend === "webgpu" ? await output.data() : output.dataSync();
      output.dispose();
      return data;
    },
    bytes: () => tf.memory().numBytesInGPU ?? tf.memory().numBytes,
  };
}

const OPERATIONS = {
  sub: (tf, [x, y]) => tf.sub(x, y),
  div: (tf, [x, y]) => tf.div(x, y),
  conv: (tf, [x, filter, bias], { stride, relu }) =>
    tf.fused.conv2d({
      x,
      filter,
      bias,
      strides: stride,
      pad:
        stride === 1
          ? "same"
          : [
              [0, 0],
              [1, 1],
              [1, 1],
              [0, 0],
            ],
      activation: relu ? "relu" : "linear",
    }),
  add: (tf, [x, y], { relu }) => (relu ? tf.relu(tf.add(x, y)) : tf.add(x, y)),
  relu: (tf, [x]) => tf.relu(x),
  every: (tf, [x], { stride }) => tf.stridedSlice(x, [0, 0, 0, 0], x.shape, [1, stride, stride, 1]),
  pad: (tf, [x], { channels }) =>
    tf.pad(x, [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, channels],
    ]),
  gather: (tf, [x, indices]) => tf.gather(x, indices, 3),
  mean: (tf, [x]) => tf.mean(x, [1, 2]),
  dense: (tf, [x, weight, bias]) => tf.add(tf.matMul(x, weight), bias),
};

function script(name) {
  return new Promise((done, failed) => {
    const element = document.createElement("script");
    element.src = `${DIST}/tfjs-${name}/dist/tf-${name}.es2017.min.js`;
    element.onload = done;
    element.onerror = () => failed(new Error(`${element.src} did not load`));
    document.head.append(element);
  });
}
