// Graphics processors that no machine here has: one that computes wrongly, one that is too small, one that goes away
// twice, one that is real.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answer, launch, open, patchWorker, served } from "./page.js";

const LONG = 240_000;

let browser;

before(async () => {
  browser = await launch({ webgpu: true });
});

after(() => browser.close());

const patched = (patch) => ({ bypassCSP: true, before: (page) => patchWorker(page, patch) });

/** The page answers on the CPU and says why. */
async function fallsBack(patch, why) {
  const { page, errors, close } = await open(browser, "#engine=webgpu", patched(patch));
  const { model } = await served(page);
  await answer(page, model.tasks[0].name, 1, LONG);
  const line = await page.getByTestId("engine-line").textContent();
  assert.match(line, /^Processor \(CPU\).*since WebGPU finds no usable graphics processor/);
  assert.match(await page.locator("#view-details").textContent(), why);
  assert.deepEqual(errors, []);
  await close();
}

test("a GPU that computes wrongly is found out, and the CPU takes over", { timeout: LONG }, async () => {
  await fallsBack(() => {
    const make = GPUDevice.prototype.createShaderModule;
    // Without its ReLU no convolution is right.
    GPUDevice.prototype.createShaderModule = function (how) {
      return make.call(this, { ...how, code: how.code.replace("max(value, vec4<f32>(0.0))", "value") });
    };
  }, /fails the self-test.*no kernel.*differ from the CPU/);
});

test("a GPU that is too small is told, and the CPU takes over", { timeout: LONG }, async () => {
  await fallsBack(() => {
    Object.defineProperty(GPUSupportedLimits.prototype, "maxComputeInvocationsPerWorkgroup", {
      get: () => 32,
    });
  }, /too small: threads of a workgroup may be 32, needed are 64/);
});

test("a GPU that is lost is asked for once more, then the CPU takes over", {
  timeout: 2 * LONG,
}, async () => {
  const fragile = () => {
    const devices = [];
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...how) {
      const device = await request.apply(this, how);
      devices.push(device);
      return device;
    };
    new BroadcastChannel("lose").onmessage = () => {
      for (const device of devices) device.destroy();
    };
  };
  const { page, close } = await open(browser, "#engine=webgpu", patched(fragile));
  const { model, strip } = await served(page);
  const [task] = model.tasks;
  await page.getByText(task.title, { exact: true }).first().click();
  await answer(page, task.name, 1, LONG);
  const line = page.getByTestId("engine-line");
  /** Loses the device, then needs it for a picture. */
  const lose = async (picture) => {
    await page.evaluate(() => new BroadcastChannel("lose").postMessage("now"));
    await page.locator(`[id="thumb-${picture.file}"]`).click();
  };
  await lose(strip[3]);
  await line.getByText("was lost and the engine started again").waitFor({ timeout: LONG });
  assert.match(await line.textContent(), /^Graphics processor/);
  const second = await answer(page, task.name, 1, LONG);

  await lose(strip[5]);
  await line.getByText("was lost again").waitFor({ timeout: LONG });
  assert.match(await line.textContent(), /^Processor \(CPU\)/);
  const third = await answer(page, task.name, 1);
  await close();

  const cpu = await open(browser, "#engine=cpu");
  for (const [picture, said] of [
    [strip[3], second],
    [strip[5], third],
  ]) {
    await cpu.page.locator(`[id="thumb-${picture.file}"]`).click();
    assert.equal(await answer(cpu.page, task.name, 1), said);
  }
  await cpu.close();
});

/** A GPU that says it is real. */
function pretend() {
  const told = { vendor: "test", architecture: "pretended", description: "", isFallbackAdapter: false };
  for (const [key, value] of Object.entries(told))
    Object.defineProperty(GPUAdapterInfo.prototype, key, { get: () => value });
  // A real one does in the time allowed for measuring what this one takes ten times as long for.
  const now = performance.now.bind(performance);
  performance.now = () => now() / 10;
}

test("on a GPU that says it is real every kernel is tried and measured, and the next visit knows", {
  timeout: 2 * LONG,
}, async () => {
  const { page, errors, close } = await open(browser, "#engine=webgpu&level=1", patched(pretend));
  const { model } = await served(page);
  const [task] = model.tasks;
  const said = await answer(page, task.name, 1, LONG);
  const chosen = () => page.getByTestId("kernels").locator("tbody tr").allTextContents();
  const first = await chosen();
  assert.ok(
    first.some((row) => /measured now/.test(row)),
    `${first}`,
  );
  assert.equal(await page.getByTestId("dropped").count(), 0, "every kernel passes the self-test");

  await page.reload();
  assert.equal(await answer(page, task.name, 1, LONG), said);
  const again = await chosen();
  const kept = (row) => row.replace("measured now", "kept from an earlier visit");
  first.forEach((row, n) => {
    if (/measured now/.test(row)) assert.equal(again[n], kept(row));
  });
  assert.deepEqual(errors, []);
  await close();

  const cpu = await open(browser, "#engine=cpu");
  assert.equal(await answer(cpu.page, task.name, 1), said);
  await cpu.close();
});

test("where the CPU is faster than the GPU it takes over, and the next visit begins with it", {
  timeout: 2 * LONG,
}, async () => {
  const { page, errors, close } = await open(browser, "#level=1", patched(pretend));
  const { model } = await served(page);
  const [task] = model.tasks;
  const line = page.getByTestId("engine-line");
  const said = await answer(page, task.name, 1, LONG);
  assert.match(await line.textContent(), /^Graphics processor/);
  await line.getByText("Processor (CPU)").waitFor({ timeout: LONG });
  const why = /since it takes [\d.]+ ms here, the graphics processor [\d.]+ ms \(.*level 1\)\./;
  assert.match(await line.textContent(), why);
  assert.equal(await answer(page, task.name, 1), said);

  await page.reload();
  assert.equal(await answer(page, task.name, 1), said);
  assert.match(await line.textContent(), why);

  // The visitor's own choice is not measured against anything.
  await page.getByTestId("engine").selectOption("webgpu");
  await line.getByText("Graphics processor", { exact: true }).waitFor({ timeout: LONG });
  assert.equal(await answer(page, task.name, 1, LONG), said);
  assert.doesNotMatch(await line.textContent(), /since/);
  assert.deepEqual(errors, []);
  await close();
});
