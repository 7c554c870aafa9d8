// The CPU engine's threads: there where the page is isolated from other origins, and missed nowhere else.

import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { after, before, test } from "node:test";
import { launch, open, patchWorker, said, served, serveUnisolated } from "./page.js";

const THREADS = Math.min(availableParallelism(), 8);

let browser;

before(async () => {
  browser = await launch({ webgpu: false });
});

after(() => browser.close());

/** What the first task's highest level says of the first picture, how the engine describes itself, and whether the page
 * complained. */
async function look(options) {
  const first = await open(browser, "", options);
  const { model } = await served(first.page);
  await first.close();
  const [task] = model.tasks;
  const level = task.levels.length;
  const { page, errors, close } = await open(
    browser,
    `#engine=cpu&task=${task.name}&level=${level}`,
    options,
  );
  const seen = { said: await said(page, task.name, level), errors };
  seen.isolated = await page.evaluate(() => crossOriginIsolated);
  // Threads start after the first answer, and a level is timed once they are there.
  await page
    .locator("#view-details tbody tr")
    .nth(level - 1)
    .filter({ hasText: /\d ms/ })
    .waitFor();
  seen.engine = await page.getByTestId("engine-line").textContent();
  await close();
  return seen;
}

test("threads where memory can be shared; the same answers without", async (t) => {
  const isolated = await look();
  assert.ok(isolated.isolated);
  if (THREADS > 1) assert.match(isolated.engine, new RegExp(`${THREADS} threads`));
  else t.diagnostic("one processor: no threads to start");

  // As from a server that knows nothing of isolation.
  const plain = await look({
    before: (page) =>
      page.context().route(
        (url) => url.pathname === "/",
        async (route) => {
          const response = await route.fetch();
          const headers = response.headers();
          delete headers["cross-origin-opener-policy"];
          delete headers["cross-origin-embedder-policy"];
          await route.fulfill({ response, headers });
        },
      ),
  });
  assert.ok(!plain.isolated);
  assert.doesNotMatch(plain.engine, /threads/);
  assert.deepEqual(plain.said, isolated.said);
  assert.deepEqual([...isolated.errors, ...plain.errors], []);
});

test("a server that says nothing of isolation: the next visit has threads all the same", async () => {
  const server = await serveUnisolated();
  const { page, errors, close } = await open(browser, "#engine=cpu", { at: server.at });
  const isolated = () => page.evaluate(() => crossOriginIsolated);
  assert.ok(!(await isolated()));
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
  await page.reload();
  assert.ok(await isolated());
  const line = page.getByTestId("engine-line");
  if (THREADS > 1) await line.filter({ hasText: `${THREADS} threads` }).waitFor();
  assert.deepEqual(errors, []);
  await close();
  server.close();
});

test("workers that do not start are done without", async () => {
  const expected = await look();
  const alone = await look({
    bypassCSP: true,
    before: (page) =>
      patchWorker(page, () => {
        globalThis.Worker = class {
          constructor() {
            throw new Error("no more workers here");
          }
        };
      }),
  });
  assert.doesNotMatch(alone.engine, /threads/);
  assert.deepEqual(alone.said, expected.said);
  assert.deepEqual(alone.errors, []);
});
