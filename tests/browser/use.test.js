// A visitor with the CPU engine: the slider, the pictures, the link.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { answer, card, enlarged, launch, open, resident, served } from "./page.js";

let browser;
let visit;
let page;
let about;

before(async () => {
  browser = await launch({ webgpu: false });
});

after(() => browser.close());

beforeEach(async () => {
  visit = await open(browser, "#engine=cpu");
  page = visit.page;
  about = await served(page);
});

afterEach(async () => {
  const { errors } = visit;
  await visit.close();
  assert.deepEqual(errors, [], "the page complains about nothing");
});

const tasks = () => about.model.tasks;
const deepest = () => tasks()[0].levels.length;

test("the slider goes from level to level by key, and fills and empties the grid", async () => {
  const slider = page.getByTestId("budget");
  const first = new Set(tasks().map((task) => task.order[0])).size;
  for (const task of tasks()) await answer(page, task.name, 1);
  await resident(page, first);

  await slider.focus();
  await page.keyboard.press("End");
  for (const task of tasks()) await answer(page, task.name, deepest());
  await resident(page, deepest() ** 2);
  assert.match(
    await slider.getAttribute("aria-valuetext"),
    new RegExp(`^level ${deepest()} of ${deepest()}`),
  );

  await page.keyboard.press("ArrowLeft");
  for (const task of tasks()) await answer(page, task.name, deepest() - 1);
  await page.keyboard.press("Home");
  for (const task of tasks()) await answer(page, task.name, 1);
  await resident(page, first);
});

test("going up fetches only the blocks that join, and coming back fetches nothing", async () => {
  const [task] = tasks();
  await page.getByText(task.title, { exact: true }).first().click();
  await answer(page, task.name, 1);
  const fetched = [];
  page.on("request", (request) => {
    const file = request.url().split("/").pop();
    if (file.endsWith(".safetensors")) fetched.push(file);
  });
  await page.getByRole("button", { name: /^Level 2/ }).click();
  await answer(page, task.name, 2);
  const [a, b] = task.order;
  const joined = [`unit-${a}-${b}`, `unit-${b}-${a}`, `unit-${b}-${b}`, "level-1-2"].map(
    (name) => `${name}.safetensors`,
  );
  assert.deepEqual(fetched.sort(), joined.sort());

  fetched.length = 0;
  await page.getByRole("button", { name: /^Level 1/ }).click();
  await answer(page, task.name, 1);
  await page.getByRole("button", { name: /^Level 2/ }).click();
  await answer(page, task.name, 2);
  assert.deepEqual(fetched, [], "everything is kept in the browser");
});

test("the whole network names most built-in pictures rightly", async () => {
  await page.getByTestId("answer-all").click();
  await page.locator(".shelf", { hasText: "Not asked" }).waitFor({ state: "detached" });
  const [task] = tasks();
  await page.getByTestId("budget").focus();
  await page.keyboard.press("End");
  let right = 0;
  const mine = about.strip.filter((entry) => task.classes.includes(entry.label));
  for (const entry of mine) {
    await page.locator(`[id="thumb-${entry.file}"]`).click();
    const said = await answer(page, task.name, deepest());
    const truth = entry.label.replaceAll("_", " ");
    if (said === truth) right += 1;
    const verdict = await card(page, task.name).locator(".verdict").textContent();
    assert.match(verdict, said === truth ? /Right/ : new RegExp(`Wrong.*${truth}`));
  }
  // By chance one in ten would be right.
  assert.ok(right >= mine.length / 2, `${right} of ${mine.length} are right`);
});

test("a PNG and a JPEG of a picture are named as the picture is", async () => {
  const entry = await surest();
  await page.getByTestId("budget").focus();
  await page.keyboard.press("End");
  for (const [type, name] of [
    ["image/png", "mine.png"],
    ["image/jpeg", "mine.jpg"],
  ]) {
    const buffer = await enlarged(page, entry.file, type);
    await page.getByTestId("files").setInputFiles({ name, mimeType: type, buffer });
    await page.getByAltText(name).waitFor();
    assert.equal(await answer(page, tasks()[0].name, deepest()), entry.said, name);
    await page.getByText("Your picture, 256 × 256 pixels").waitFor();
  }
});

test("a broken file and one that is too large are told in place, and the rest goes on", async () => {
  const [task] = tasks();
  const said = await answer(page, task.name, 1);
  const png = await enlarged(page, about.strip[0].file, "image/png");
  const folder = mkdtempSync(join(tmpdir(), "dvn-browser-"));
  const files = [
    ["broken.png", png.subarray(0, 60)],
    ["text.jpg", "no picture"],
    ["huge.png", Buffer.alloc(41e6)],
  ].map(([name, bytes]) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  });
  await page.getByTestId("files").setInputFiles(files);
  const notice = page.getByTestId("notice");
  await notice.waitFor();
  const text = await notice.textContent();
  assert.match(text, /broken\.png: This file is not a picture/);
  assert.match(text, /text\.jpg: This file is not a picture/);
  assert.match(text, /huge\.png: This file is too large: 41 MB/);
  rmSync(folder, { recursive: true });
  assert.equal(await answer(page, task.name, 1), said);
});

test("labels give an accuracy on the visitor's own pictures, with its interval", async () => {
  const entry = await surest();
  const buffer = await enlarged(page, entry.file, "image/png");
  await page.getByTestId("files").setInputFiles({ name: "mine.png", mimeType: "image/png", buffer });
  await page.getByAltText("mine.png").waitFor();
  await page.locator(".truth select").first().selectOption({ label: entry.said });
  await page.getByRole("button", { name: "Try my pictures at every level" }).click();
  const last = page
    .locator("#view-accuracy table")
    .first()
    .locator("tbody tr")
    .nth(deepest() - 1);
  await last.getByText("1 of 1 (21–100 %)").waitFor();
});

test("a link holds the moment, and Back returns to the one before", async () => {
  const entry = about.strip[3];
  const [first, second] = tasks();
  await answer(page, first.name, 1);
  await page.locator(`[id="thumb-${entry.file}"]`).click();
  await page.getByRole("button", { name: /^Level 2/ }).click();
  await page.getByText(second.title, { exact: true }).first().click();
  const said = await answer(page, second.name, 2);
  const link = new URL(page.url()).hash;
  assert.match(link, /level=2/);
  assert.match(link, new RegExp(`task=${second.name}`));

  const again = await open(browser, link);
  assert.equal(await answer(again.page, second.name, 2), said);
  assert.equal(await card(again.page, first.name).count(), 0);
  assert.equal(await again.page.locator(`[id="thumb-${entry.file}"]`).getAttribute("aria-checked"), "true");
  assert.deepEqual(again.errors, []);
  await again.close();

  await page.goBack();
  await answer(page, first.name, 2);
  await page.goBack();
  await answer(page, first.name, 1);
});

test("every level is timed, though not while the tab is hidden, and the table says so", async () => {
  const [task] = tasks();
  await answer(page, task.name, 1);
  await page.getByRole("button", { name: "Measure every level" }).click();
  const table = page.getByRole("table", { name: "Accuracy against time" });
  const cells = table.locator("tbody td:nth-child(2)", { hasText: /ms|s$/ });
  await cells.first().waitFor();
  await hide(true);
  const before = await cells.count();
  // Longer than the longest measurement of a level.
  await page.waitForTimeout(2000);
  assert.equal(await cells.count(), before, "nothing is timed in a hidden tab");
  assert.ok(before < tasks().length * deepest(), "hidden in time");
  await hide(false);
  const all = tasks().length * deepest();
  await page.waitForFunction(
    (all) =>
      [...document.querySelectorAll("#view-accuracy table")]
        .at(-1)
        .querySelectorAll("tbody tr")
        .values()
        .filter((row) => / m?s$/.test(row.cells[1].textContent))
        .toArray().length === all,
    all,
  );
  assert.equal(await cells.count(), all);
});

/** Tells the page that its tab is hidden, or seen again: a headless browser has no other tab to go to. */
function hide(hidden) {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

/** The first task's built-in picture that the whole network is surest of, among those it names rightly. */
async function surest() {
  const [task] = tasks();
  await page.getByTestId("budget").focus();
  await page.keyboard.press("End");
  let best;
  for (const entry of about.strip.filter((entry) => task.classes.includes(entry.label))) {
    await page.locator(`[id="thumb-${entry.file}"]`).click();
    const said = await answer(page, task.name, deepest());
    const share = await card(page, task.name).locator(".top-class .share").textContent();
    const sure = share.startsWith("over") ? 99.5 : Number.parseFloat(share);
    if (said === entry.label.replaceAll("_", " ") && sure > (best?.sure ?? 0))
      best = { ...entry, said, sure };
  }
  assert.ok(best, "no built-in picture is named rightly");
  return best;
}
