// The WebAssembly heap only ever grows: levels that come and go must not make it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answer, launch, open, served } from "./page.js";

/** The heap grows by so many bytes at a time. */
const PAGE = 65_536;

let browser;

before(async () => {
  browser = await launch({ webgpu: true });
});

after(() => browser.close());

/** Keeps what the worker last told of its memory where the test can read it. */
function listen(page) {
  return page.addInitScript(() => {
    const Plain = Worker;
    window.Worker = class extends Plain {
      constructor(...how) {
        super(...how);
        this.addEventListener("message", ({ data }) => {
          if (data.kind === "memory") window.told = data.memory;
        });
      }
    };
  });
}

/** In the page: it would take the test's own commands longer. */
async function go([task, top, pictures, count]) {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const slider = document.querySelector('[data-testid="budget"]');
  const told = [];
  for (let n = 0; n < count; n++) {
    const up = n % 2 === 0;
    // Answers are kept: a picture that is new has the level run.
    const picture = up ? pictures[n / 2] : undefined;
    if (picture) document.getElementById(`thumb-${picture}`).click();
    slider.value = up ? slider.max : slider.min;
    for (const kind of ["input", "change"]) slider.dispatchEvent(new Event(kind, { bubbles: true }));
    const level = up ? top : 1;
    // The answer may be an earlier one: that the level is there, and no other, is told by the files.
    const there = () =>
      document.querySelector(`[data-testid="answer-${task}"][data-level="${level}"]`) &&
      window.told.files.filter((file) => file.startsWith("level-")).join() === `level-1-${level}.safetensors`;
    while (!there()) await frame();
    if (n === 9 || n === count - 1) told.push(window.told);
  }
  return told;
}

/** In the page: bytes of the largest array in any of a model's files, whose first 8 bytes tell how long their header is. */
async function largestLayer([name, files]) {
  const sizes = files.map(async (file) => {
    const bytes = await (await fetch(`models/${name}/${file}`)).arrayBuffer();
    const length = Number(new DataView(bytes).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
    return Object.values(header).map(({ data_offsets: [from, to] = [0, 0] }) => to - from);
  });
  return Math.max(...(await Promise.all(sizes)).flat());
}

/** Goes up and down so often, on another picture each time as long as there are some; what is told of the memory early on, and at the end. */
async function changes(link, count, timeout) {
  const { page, errors, close } = await open(browser, link, { before: listen });
  const { models, model, strip } = await served(page);
  const [task] = model.tasks;
  await page.getByText(task.title, { exact: true }).first().click();
  await answer(page, task.name, 1, timeout);
  const told = await page.evaluate(go, [task.name, task.levels.length, strip.map(({ file }) => file), count]);
  const layer = await page.evaluate(largestLayer, [models[0], model.shards.map(({ file }) => file)]);
  assert.deepEqual(errors, []);
  await close();
  return { told, layer };
}

test("300 changes on the CPU do not make the heap grow", { timeout: 240_000 }, async () => {
  const { told } = await changes("#engine=cpu", 300);
  const [early, late] = told;
  assert.equal(late.bytes, early.bytes);
  assert.equal(late.heapBytes, early.heapBytes);
});

test("nor do changes on the GPU, where the weights leave it", { timeout: 240_000 }, async () => {
  const { told, layer } = await changes("#engine=webgpu", 40, 120_000);
  const [early, late] = told;
  assert.equal(late.bytes, early.bytes);
  // What waits for the GPU at once depends on its speed: the most of it may come late, and take one layer's copy more.
  const most = Math.ceil(layer / PAGE) * PAGE + PAGE;
  assert.ok(late.heapBytes - early.heapBytes <= most, `${early.heapBytes} bytes grew to ${late.heapBytes}`);
});

test("weights on their way to the GPU do not fill the heap", { timeout: 240_000 }, async (t) => {
  const grown = {};
  for (const engine of ["cpu", "webgpu"]) {
    const { page, errors, close } = await open(browser, `#engine=${engine}&level=1`, { before: listen });
    const { model } = await served(page);
    const [task] = model.tasks;
    await page.getByText(task.title, { exact: true }).first().click();
    await answer(page, task.name, 1, 120_000);
    const small = await page.evaluate(() => window.told);
    await page.getByTestId("budget").press("End");
    await answer(page, task.name, task.levels.length, 120_000);
    const whole = await page.evaluate(() => window.told);
    grown[engine] = { heap: whole.heapBytes - small.heapBytes, weights: whole.bytes - small.bytes };
    t.diagnostic(`${engine}: ${JSON.stringify(grown[engine])}`);
    assert.deepEqual(errors, []);
    await close();
  }
  // On the CPU the weights live in the heap; of those for the GPU a megabyte and a few files at most are there at a time.
  assert.ok(grown.cpu.heap >= grown.cpu.weights);
  assert.ok(grown.webgpu.heap <= 0.5 * grown.webgpu.weights, `${grown.webgpu.heap} bytes`);
});
