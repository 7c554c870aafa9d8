// Chooses the WebAssembly build that this browser can read.

import type { Surface } from "./surface.ts";

// A module with one function that holds one relaxed operation (i8x16.relaxed_swizzle of two constants): a
// browser without relaxed SIMD does not validate it.
const RELAXED = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2,
  253, 15, 253, 128, 2, 11,
]);

/** The better of the two builds for this browser. */
export function bestBuild(): "simd" | "relaxed" {
  return WebAssembly.validate(RELAXED) ? "relaxed" : "simd";
}

/** Loads a build of the engine. */
export async function loadEngine(build: "simd" | "relaxed"): Promise<Surface> {
  const [module, address] = await (build === "relaxed"
    ? Promise.all([
        import("../engine/relaxed/wasm_infer.js"),
        import("../engine/relaxed/wasm_infer_bg.wasm?url"),
      ])
    : Promise.all([import("../engine/simd/wasm_infer.js"), import("../engine/simd/wasm_infer_bg.wasm?url")]));
  const { memory } = await module.default({ module_or_path: new URL(address.default, import.meta.url) });
  const { Model, Engine, resize } = module;
  return { Model, Engine, resize, heapBytes: () => memory.buffer.byteLength };
}
