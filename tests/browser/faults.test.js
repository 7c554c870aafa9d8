// What the page says when something is broken, and that the rest goes on.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { answer, launch, open, patchWorker, served } from "./page.js";

let browser;

before(async () => {
  browser = await launch({ webgpu: false });
});

after(() => browser.close());

/** Answers requests for an address's end with the real bytes, changed. */
function change(page, end, alter) {
  return page.context().route(
    (url) => url.pathname.endsWith(end),
    async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: alter(await response.body()) });
    },
  );
}

test("a corrupted shard is named where the level is chosen, the others go on, and it is not kept", async () => {
  let bad = true;
  const flip = (body) => {
    if (bad) body[body.length - 5] ^= 1;
    return body;
  };
  const { page, close } = await open(browser, "#engine=cpu", {
    before: (page) => change(page, "level-1-2.safetensors", flip),
  });
  const { model } = await served(page);
  const [task] = model.tasks;
  const said = await answer(page, task.name, 1);
  await page.getByRole("button", { name: /^Level 2/ }).click();
  const alert = page.locator(".budget").getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.textContent(), /level-1-2\.safetensors/);

  await page.getByRole("button", { name: /^Level 1/ }).click();
  assert.equal(await answer(page, task.name, 1), said);
  await alert.waitFor({ state: "detached" });

  bad = false;
  await page.getByRole("button", { name: /^Level 2/ }).click();
  await answer(page, task.name, 2);
  await close();
});

test("a shard that cannot be reached is told, and tried again on demand", async () => {
  const { page, close } = await open(browser, "#engine=cpu");
  const { model } = await served(page);
  const [task] = model.tasks;
  await answer(page, task.name, 1);
  await page.context().setOffline(true);
  await page.getByRole("button", { name: /^Level 2/ }).click();
  const alert = page.locator(".budget").getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.textContent(), /could not be fetched/);
  await page.context().setOffline(false);
  await alert.getByRole("button", { name: "Try again" }).click();
  await answer(page, task.name, 2);
  await close();
});

test("a shard in the browser's store that went bad is fetched again", async () => {
  const { page, close, errors } = await open(browser, "#engine=cpu");
  const { model } = await served(page);
  const [task] = model.tasks;
  const said = await answer(page, task.name, 1);
  await page.evaluate(async () => {
    const [name] = await caches.keys();
    const cache = await caches.open(name);
    for (const request of await cache.keys()) await cache.put(request, new Response(new Uint8Array(8)));
  });
  await page.reload();
  assert.equal(await answer(page, task.name, 1), said);
  assert.deepEqual(errors, []);
  await close();
});

test("a browser's store that does not answer keeps nobody waiting for long", async () => {
  const { page, close, errors } = await open(browser, "#engine=cpu", {
    bypassCSP: true,
    before: (page) =>
      patchWorker(page, () => {
        CacheStorage.prototype.open = () => new Promise(() => {});
      }),
  });
  const { model } = await served(page);
  const [task] = model.tasks;
  await answer(page, task.name, 1);
  await page.getByRole("button", { name: /^Level 2/ }).click();
  await answer(page, task.name, 2);
  assert.deepEqual(errors, []);
  await close();
});

test("a model of another version is told, not run", async () => {
  const older = (body) => JSON.stringify({ ...JSON.parse(body), version: 99 });
  const { page, close } = await open(browser, "", { before: (page) => change(page, "model.json", older) });
  const alert = page.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.textContent(), /99/);
  await close();
});

test("a server without models is told", async () => {
  const { page, close } = await open(browser, "", {
    before: (page) => change(page, "index.json", () => '{"models":[]}'),
  });
  const alert = page.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.textContent(), /no model/i);
  await close();
});
