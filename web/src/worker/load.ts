// Loads the best WebAssembly build of the engine that this browser can run here.

import relaxedAddress from "../engine/relaxed/wasm_infer_bg.wasm?url";
import simdAddress from "../engine/simd/wasm_infer_bg.wasm?url";
import threadsAddress from "../engine/threads/wasm_infer_bg.wasm?url";
import type { Build, Surface } from "./surface.ts";
import { startWorkers } from "./threads.ts";

// A module with one function that holds one relaxed operation (i8x16.relaxed_swizzle of two constants): a
// browser without relaxed SIMD does not validate it.
const RELAXED = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2,
  253, 15, 253, 128, 2, 11,
]);

/** More threads than these have too little to do each, and each has memory of its own. */
const MOST_THREADS = 8;

/** Loads the engine. */
export async function loadEngine(): Promise<Surface> {
  if (!WebAssembly.validate(RELAXED)) return loadSimd();
  const threads = Math.min(navigator.hardwareConcurrency, MOST_THREADS);
  // Memory that threads share is only given to a page that its server isolates from other origins.
  if (!crossOriginIsolated || threads < 2) return loadRelaxed();
  try {
    return await loadThreads(threads);
  } catch (error) {
    console.warn("The engine does without threads.", error);
    return loadRelaxed();
  }
}

async function loadSimd(): Promise<Surface> {
  const [module, code] = await Promise.all([import("../engine/simd/wasm_infer.js"), compiled(simdAddress)]);
  const { memory } = await module.default({ module_or_path: code });
  return surface("simd", module, memory);
}

async function loadRelaxed(): Promise<Surface> {
  const [module, code] = await Promise.all([
    import("../engine/relaxed/wasm_infer.js"),
    compiled(relaxedAddress),
  ]);
  const { memory } = await module.default({ module_or_path: code });
  return surface("relaxed", module, memory);
}

async function loadThreads(threads: number): Promise<Surface> {
  const [module, code] = await Promise.all([
    import("../engine/threads/wasm_infer.js"),
    compiled(threadsAddress),
  ]);
  const { memory } = await module.default({ module_or_path: code });
  let started: Promise<void> | undefined;
  return surface("threads", module, memory, () => {
    started ??= startWorkers(threads - 1, { code, memory })
      .then(() => module.startThreads(threads - 1))
      .catch((error) => console.warn("The engine runs on one thread.", error));
    return started;
  });
}

function surface(
  build: Build,
  { Model, Engine, resize }: Pick<Surface, "Model" | "Engine" | "resize">,
  memory: WebAssembly.Memory,
  startThreads = async () => {},
): Surface {
  return { build, Model, Engine, resize, startThreads, heapBytes: () => memory.buffer.byteLength };
}

/** Compiles a build while it comes, and while its JavaScript does. */
async function compiled(address: string): Promise<WebAssembly.Module> {
  const answer = await fetch(new URL(address, import.meta.url));
  if (!answer.ok) throw new Error(`the server has no engine for us (it answered ${answer.status})`);
  // Not every server knows what type a .wasm is, without which browsers refuse to compile it as it comes.
  const typed = answer.headers.get("Content-Type") === "application/wasm";
  return typed ? WebAssembly.compileStreaming(answer) : WebAssembly.compile(await answer.arrayBuffer());
}
