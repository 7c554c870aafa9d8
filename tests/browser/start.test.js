// What a first visit fetches: how much, and what the first answer waits for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, constants } from "node:zlib";
import { answer, launch, open, served } from "./page.js";

/** The page's own JavaScript and WebAssembly, as a server would send them, are at most this long together. */
const MOST = 250_000;

test("the page's code is small", async (t) => {
  const browser = await launch({ webgpu: false });
  const bodies = new Map();
  const { page, close } = await open(browser, "#engine=cpu", {
    before: (page) => {
      page.context().on("response", (response) => {
        const file = new URL(response.url()).pathname.split("/").pop() || "index.html";
        if (/\.(html|js|wasm|css)$/.test(file)) bodies.set(file, response.body());
      });
    },
  });
  const { model } = await served(page);
  await answer(page, model.tasks[0].name, 1);
  let total = 0;
  for (const [file, body] of bodies) {
    const bytes = await body;
    const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    const small = brotliCompressSync(bytes, { params }).length;
    t.diagnostic(`${file}: ${bytes.length} bytes, ${small} after brotli`);
    if (/\.(js|wasm)$/.test(file)) total += small;
  }
  t.diagnostic(`JavaScript and WebAssembly together: ${total} bytes after brotli, at most ${MOST}`);
  assert.ok(
    [...bodies.keys()].some((file) => file.endsWith(".wasm")),
    "the engine is among them",
  );
  assert.ok(
    [...bodies.keys()].some((file) => file.startsWith("worker")),
    "the worker is among them",
  );
  assert.ok(total <= MOST, `${total} bytes`);
  await close();
  await browser.close();
});

test("the first answer waits for its own level's files only, the stem first", async () => {
  const browser = await launch({ webgpu: false });
  const asked = [];
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  const { page, errors, close } = await open(browser, "#engine=cpu", {
    before: (page) =>
      page.context().route(/\.safetensors$/, async (route) => {
        const file = new URL(route.request().url()).pathname.split("/").pop();
        asked.push(file);
        // The second task's own files stay away until the first task has answered.
        if (/^(stem|level)-2/.test(file)) await held;
        await route.continue();
      }),
  });
  const { model } = await served(page);
  const [first, second] = model.tasks;
  await answer(page, first.name, 1);
  const unit = first.order[0];
  const needed = ["stem-1", "level-1-1", `unit-${unit}-${unit}`].map((name) => `${name}.safetensors`);
  assert.deepEqual(asked.slice(0, needed.length).sort(), needed.sort());
  assert.equal(asked[0], "stem-1.safetensors");
  release();
  await answer(page, second.name, 1);
  assert.deepEqual(errors, []);
  await close();
  await browser.close();
});

/** Notes when the first card has an answer at `level`, in milliseconds from the visit's start. */
function noteAnswer(level) {
  new MutationObserver(() => {
    const card = document.querySelector("article[data-testid^='answer-']");
    if (card?.dataset.level === level) window.answeredAt ??= performance.now();
  }).observe(document, { subtree: true, childList: true, attributes: true });
}

test("visit after visit with nothing kept answers the same, and how soon is printed", async (t) => {
  const browser = await launch({ webgpu: false });
  const visit = async (link, level) => {
    const { page, errors, close } = await open(browser, link, {
      before: (page) => page.addInitScript(noteAnswer, String(level)),
    });
    const { model } = await served(page);
    const said = await answer(page, model.tasks[0].name, level);
    const milliseconds = await page.evaluate(() => window.answeredAt);
    assert.deepEqual(errors, []);
    await close();
    return { model, said, milliseconds };
  };
  const { model, said } = await visit("#engine=cpu", 1);
  for (const level of [1, model.tasks[0].levels.length]) {
    const visits = [];
    for (let count = 0; count < 5; count++) visits.push(await visit(`#engine=cpu&level=${level}`, level));
    assert.equal(new Set(visits.map((one) => one.said)).size, 1);
    if (level === 1) assert.equal(visits[0].said, said);
    const [fastest, , median, , slowest] = visits.map((one) => one.milliseconds).sort((a, b) => a - b);
    const times = [median, fastest, slowest].map((time) => `${Math.round(time)} ms`);
    t.diagnostic(`first answer at level ${level}: median ${times[0]} (${times[1]} to ${times[2]})`);
  }
  await browser.close();
});
