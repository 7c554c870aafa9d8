// The project's engine: the build that this browser can read, shards as a level needs them. With threads as the page has
// them: all in a worker, for a page itself may not wait for threads.

import { relaxedSimd } from "/node_modules/wasm-feature-detect/dist/esm/index.js";
import { bytesOf, textOf } from "./fetch.js";

export async function open({ backend, model, task, threads }) {
  const [{ module, start }, json] = await Promise.all([
    threads > 1 ? withThreads(threads) : alone(),
    textOf(`${model}/model.json`),
  ]);
  const parsed = module.Model.parse(json);
  const engine = await (backend === "webgpu" ? module.Engine.webgpu(parsed) : module.Engine.cpu(parsed));
  let level;
  let cold = true;
  return {
    logits: false,
    adapter: start ? `${engine.adapter}, ${threads} threads` : engine.adapter,
    async load(next) {
      const wanted = parsed.shards(task, next);
      const kept = new Set(engine.resident());
      const missing = wanted.filter((file) => !kept.has(file));
      let settled = Promise.resolve();
      await Promise.all(
        missing.map(async (file) => {
          const bytes = await bytesOf(`${model}/${file}`);
          engine.insert(file, bytes, await sha256(bytes));
          settled = settled.then(() => engine.settle());
          await settled;
        }),
      );
      engine.retain(wanted);
      level = next;
    },
    input: (rgb) => rgb,
    async run(rgb, count) {
      const output = await engine.run(task, level, rgb, count);
      // After the first answer, as the page does it.
      if (cold) start?.();
      cold = false;
      return output;
    },
    bytes: () => engine.residentBytes() + engine.activationBytes(),
  };
}

/** As the page does it. */
async function sha256(bytes) {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function alone() {
  const build = (await relaxedSimd()) ? "relaxed" : "simd";
  const module = await import(`/engine/${build}/wasm_infer.js`);
  await module.default({ module_or_path: `/engine/${build}/wasm_infer_bg.wasm` });
  return { module };
}

async function withThreads(count) {
  const code = WebAssembly.compileStreaming(fetch("/engine/threads/wasm_infer_bg.wasm"));
  const module = await import("/engine/threads/wasm_infer.js");
  const { memory } = await module.default({ module_or_path: await code });
  const shared = { code: await code, memory };
  return {
    module,
    async start() {
      await Promise.all(Array.from({ length: count - 1 }, () => threadWith(shared)));
      module.startThreads(count - 1);
    },
  };
}

function threadWith(shared) {
  return new Promise((done, failed) => {
    const worker = new Worker("/page/thread.js", { type: "module" });
    worker.onmessage = done;
    worker.onerror = (event) => failed(new Error(event.message || "a thread could not be started"));
    worker.postMessage(shared);
  });
}
