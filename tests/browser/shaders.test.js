// Chromium's own compiler takes every kernel: on a software adapter the page makes only the basic ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch, open } from "./page.js";

const GPU = new URL("../../wasm-infer/src/gpu/", import.meta.url);

let browser;

before(async () => {
  browser = await launch({ webgpu: true });
});

after(() => browser.close());

/** Each kernel's file with those that it shares with others before it, as sources.rs has them. */
function kernels() {
  const rust = readFileSync(new URL("sources.rs", GPU), "utf8");
  const shader = (name) => readFileSync(new URL(`shaders/${name}.wgsl`, GPU), "utf8");
  const lists = [...rust.matchAll(/&\[((?:[A-Z]+, )*)shader!\("(\w+)"\)\]/g)];
  return lists.map(([, shared, name]) => ({
    name,
    code: [...shared.split(", ").filter(Boolean), name].map((part) => shader(part.toLowerCase())).join(""),
  }));
}

test("every kernel is taken without a warning", async () => {
  const sources = kernels();
  assert.ok(sources.length >= 8, `${sources.length} kernels were found`);
  const { page, close } = await open(browser, "#engine=cpu");
  const said = await page.evaluate(async (sources) => {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter.requestDevice();
    const said = [];
    for (const { name, code } of sources) {
      const module = device.createShaderModule({ code });
      const { messages } = await module.getCompilationInfo();
      said.push(...messages.map(({ lineNum, message }) => `${name}:${lineNum}: ${message}`));
    }
    device.destroy();
    return said;
  }, sources);
  assert.deepEqual(said, []);
  await close();
});
