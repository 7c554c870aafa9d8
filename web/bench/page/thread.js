// One of the engine's threads.

import init, { work } from "/engine/threads/wasm_infer.js";

globalThis.onmessage = async ({ data: { code, memory } }) => {
  await init({ module_or_path: code, memory, thread_stack_size: 256 * 1024 });
  postMessage("ready");
  work();
};
