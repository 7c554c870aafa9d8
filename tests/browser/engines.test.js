// The same answers from WebGPU and from the CPU, and the page says which it is.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answer, card, launch, launchToLose, open, served } from "./page.js";

/** A software adapter takes seconds for one picture. */
const LONG = 240_000;

let withGpu;
let without;

before(async () => {
  withGpu = await launch({ webgpu: true });
  without = await launch({ webgpu: false });
});

after(async () => {
  await withGpu.close();
  await without.close();
});

test("WebGPU, on the adapter that was meant, answers as the CPU does", { timeout: LONG * 2 }, async () => {
  const cpu = await open(without, "#engine=cpu");
  const { model } = await served(cpu.page);
  const [task] = model.tasks;
  const expected = await answer(cpu.page, task.name, 1);
  const share = await card(cpu.page, task.name).locator(".top-class .share").textContent();
  assert.deepEqual(cpu.errors, []);
  await cpu.close();

  const gpu = await open(withGpu, `#engine=webgpu&level=1&task=${task.name}`);
  assert.equal(await answer(gpu.page, task.name, 1, LONG), expected);
  assert.equal(await card(gpu.page, task.name).locator(".top-class .share").textContent(), share);
  const line = await gpu.page.getByTestId("engine-line").textContent();
  assert.match(line, /^Graphics processor/);
  // Whoever runs this on a real GPU may say so; here it must not pass on some other adapter unnoticed.
  assert.match(line, new RegExp(process.env.DVN_ADAPTER ?? "imitated in software: .*swiftshader", "i"));
  // What runs it is told: on an imitated one the basic kernel, and that nothing was measured.
  const kernels = await gpu.page.getByTestId("kernels").locator("tbody tr").allTextContents();
  assert.ok(kernels.length >= 3, `${kernels}`);
  if (!process.env.DVN_ADAPTER) {
    for (const row of kernels) assert.match(row, /registers.*the only one here/);
    assert.match(await gpu.page.locator("#view-details").textContent(), /not measured here/);
  }
  assert.deepEqual(gpu.errors, []);
  await gpu.close();
});

test("an imitated GPU is not chosen by itself, and the page says why", async () => {
  const { page, errors, close } = await open(withGpu);
  const { model } = await served(page);
  await answer(page, model.tasks[0].name, 1);
  if (!process.env.DVN_ADAPTER) {
    const line = await page.getByTestId("engine-line").textContent();
    assert.match(line, /^Processor \(CPU\)/);
    assert.match(line, /imitated in software/);
  }
  assert.deepEqual(errors, []);
  await close();
});

test("without WebGPU the CPU engine runs, and the page says why", async () => {
  const { page, errors, close } = await open(without);
  const { model } = await served(page);
  await answer(page, model.tasks[0].name, 1);
  const line = await page.getByTestId("engine-line").textContent();
  assert.match(line, /^Processor \(CPU\)/);
  assert.match(line, /since .*WebGPU/);
  assert.deepEqual(errors, []);
  await close();
});

test("the engine can be changed while the page is open", { timeout: LONG * 2 }, async () => {
  const { page, errors, close } = await open(withGpu, "#engine=cpu");
  const { model } = await served(page);
  const [task] = model.tasks;
  const said = await answer(page, task.name, 1);
  await page.getByText(task.title, { exact: true }).first().click();
  await page.getByTestId("engine").selectOption("webgpu");
  await page.getByTestId("engine-line").getByText("Graphics processor").waitFor({ timeout: LONG });
  assert.equal(await answer(page, task.name, 1, LONG), said);
  await page.getByTestId("engine").selectOption("cpu");
  await page.getByTestId("engine-line").getByText("Processor (CPU)").waitFor({ timeout: LONG });
  assert.equal(await answer(page, task.name, 1), said);
  assert.deepEqual(errors, []);
  await close();
});

const onLinux = process.platform === "linux" ? false : "the GPU's process is found through /proc";

test("a lost GPU is replaced, and the next answer comes", { timeout: LONG * 2, skip: onLinux }, async () => {
  const { browser, loseGpu, close } = await launchToLose();
  const { page } = await open(browser, "#engine=webgpu");
  const { model, strip } = await served(page);
  const [task] = model.tasks;
  await page.getByText(task.title, { exact: true }).first().click();
  await answer(page, task.name, 1, LONG);
  loseGpu();
  const other = strip[3];
  await page.locator(`[id="thumb-${other.file}"]`).click();
  await page.getByTestId("engine-line").getByText("was lost").waitFor({ timeout: LONG });
  const said = await answer(page, task.name, 1, LONG);
  await page.getByTestId("engine").selectOption("cpu");
  await page.getByTestId("engine-line").getByText("Processor (CPU)").waitFor({ timeout: LONG });
  assert.equal(await answer(page, task.name, 1, LONG), said);
  await close();
});
