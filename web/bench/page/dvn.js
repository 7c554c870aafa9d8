// The project's engine: the build that this browser can read, shards as a level needs them.

import { relaxedSimd } from "/node_modules/wasm-feature-detect/dist/esm/index.js";
import { bytesOf, textOf } from "./fetch.js";

export async function open({ backend, model, task }) {
  const build = (await relaxedSimd()) ? "relaxed" : "simd";
  const [module, json] = await Promise.all([started(build), textOf(`${model}/model.json`)]);
  const parsed = module.Model.parse(json);
  const engine = await (backend === "webgpu" ? module.Engine.webgpu(parsed) : module.Engine.cpu(parsed));
  let level;
  return {
    logits: false,
    adapter: engine.adapter,
    async load(next) {
      const wanted = parsed.shards(task, next);
      const kept = new Set(engine.resident());
      const missing = wanted.filter((file) => !kept.has(file));
      await Promise.all(
        missing.map(async (file) => {
          const bytes = await bytesOf(`${model}/${file}`);
          engine.insert(file, bytes, await sha256(bytes));
        }),
      );
      engine.retain(wanted);
      level = next;
    },
    input: (rgb) => rgb,
    run: (rgb, count) => engine.run(task, level, rgb, count),
    bytes: () => engine.residentBytes() + engine.activationBytes(),
  };
}

/** As the page does it. */
async function sha256(bytes) {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function started(build) {
  const module = await import(`/engine/${build}/wasm_infer.js`);
  await module.default({ module_or_path: `/engine/${build}/wasm_infer_bg.wasm` });
  return module;
}
