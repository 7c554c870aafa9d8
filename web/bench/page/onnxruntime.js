// onnxruntime-web: the level's ONNX model.

import { adapterName } from "./adapter.js";
import { bytesOf } from "./fetch.js";

const DIST = "/node_modules/onnxruntime-web/dist/";

export async function open({ backend, threads, size, batch, levels }) {
  const gpu = backend === "webgpu";
  const ort = await import(`${DIST}${gpu ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs"}`);
  ort.env.wasm.wasmPaths = DIST;
  ort.env.wasm.numThreads = gpu ? 1 : threads;
  const adapter = gpu
    ? await adapterName()
    : `WebAssembly, ${threads === 1 ? "1 thread" : `${threads} threads`}`;
  let session;
  return {
    logits: true,
    adapter,
    async load(level) {
      const model = await bytesOf(`${levels}/level-${level}.onnx`);
      await session?.release();
      session = await ort.InferenceSession.create(model, {
        executionProviders: [backend],
        // The batch is known: whatever the runtime can do with that, it may.
        freeDimensionOverrides: { N: batch },
      });
    },
    input: (rgb, count) => planes(rgb, count, size),
    async run(images, count) {
      const tensor = new ort.Tensor("float32", images, [count, 3, size, size]);
      return (await session.run({ images: tensor })).logits.data;
    },
    bytes: () => null,
  };
}

/** Bytes N H W C as numbers in 0 to 1, N C H W. */
function planes(rgb, count, size) {
  const pixels = size * size;
  const out = new Float32Array(rgb.length);
  for (let n = 0; n < count; n++) {
    for (let p = 0; p < pixels; p++) {
      for (let c = 0; c < 3; c++) {
        out[(n * 3 + c) * pixels + p] = rgb[(n * pixels + p) * 3 + c] / 255;
      }
    }
  }
  return out;
}
