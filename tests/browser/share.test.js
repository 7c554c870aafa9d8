// Several tasks under one budget: their levels are the best that fit together, and what both use is kept once.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { answer, launch, open, resident, served } from "./page.js";

let browser;
let visit;
let page;
let model;
/** Numbers in every file of weights. */
let numbers;

before(async () => {
  browser = await launch({ webgpu: false });
});

after(() => browser.close());

beforeEach(async () => {
  visit = await open(browser, "#engine=cpu", { permissions: ["clipboard-read", "clipboard-write"] });
  page = visit.page;
  const about = await served(page);
  model = about.model;
  numbers = await page.evaluate(
    async ([name, shards]) => {
      const count = async ({ file, bytes }) => {
        const start = await (await fetch(`models/${name}/${file}`)).arrayBuffer();
        // A safetensors file: the length of its header, the header, the numbers.
        return [file, (bytes - 8 - Number(new DataView(start).getBigUint64(0, true))) / 4];
      };
      return Object.fromEntries(await Promise.all(shards.map(count)));
    },
    [about.models[0], model.shards],
  );
});

afterEach(async () => {
  await visit.close();
  assert.deepEqual(visit.errors, [], "the page complains about nothing");
});

const level = (task, level) => model.tasks[task].levels[level - 1];

/** The blocks that levels of the tasks use, each with the number of tasks that do. */
function blocks(levels) {
  const users = new Map();
  for (const [task, chosen] of levels.entries()) {
    const { units } = level(task, chosen);
    for (const to of units) {
      for (const from of units) {
        const file = `unit-${to}-${from}.safetensors`;
        users.set(file, (users.get(file) ?? 0) + 1);
      }
    }
  }
  return users;
}

/** Bytes that levels of the tasks take together. */
function together(levels) {
  const apart = levels.reduce((sum, chosen, task) => sum + level(task, chosen).parameters, 0);
  const again = [...blocks(levels)].reduce((sum, [file, users]) => sum + (users - 1) * numbers[file], 0);
  return 4 * (apart - again);
}

/** Every combination of the tasks' levels that no other beats with as few bytes, by trying all. */
function front() {
  const all = model.tasks.reduce(
    (begun, task) => begun.flatMap((levels) => task.levels.map(({ level }) => [...levels, level])),
    [[]],
  );
  const percent = (levels) =>
    levels.reduce((sum, chosen, task) => sum + level(task, chosen).accuracy.percent, 0);
  const rated = all.map((levels) => ({ levels, bytes: together(levels), percent: percent(levels) }));
  return rated
    .filter((one) => !rated.some((other) => other.bytes <= one.bytes && other.percent > one.percent + 1e-9))
    .sort((a, b) => a.bytes - b.bytes);
}

async function answers(levels) {
  const said = [];
  for (const [task, chosen] of levels.entries())
    said.push(await answer(page, model.tasks[task].name, chosen));
  return said;
}

async function figure() {
  const title = await page.locator(".budget .figure").getAttribute("title");
  return Number(title.replace(/\D/g, ""));
}

/** What the page tells an engineer. */
async function report() {
  await page.getByRole("button", { name: "Copy as JSON" }).click();
  await page.getByText("Copied.").waitFor();
  return page.evaluate(async () => JSON.parse(await navigator.clipboard.readText()));
}

test("the slider goes through the best combinations, and the union of their blocks is in memory", async () => {
  const expected = front();
  assert.ok(expected.length > model.tasks[0].levels.length, "some combinations mix levels");
  await answers(model.tasks.map(() => 1));
  await page.getByTestId("share").check();
  const slider = page.getByTestId("budget");
  await slider.focus();
  for (const [index, { levels, bytes }] of expected.entries()) {
    if (index > 0) await page.keyboard.press("ArrowRight");
    await answers(levels);
    assert.equal(await figure(), bytes, `levels ${levels}`);
    const used = blocks(levels);
    await resident(page, used.size);
    const marks = [...used.values()].reduce((sum, users) => sum + users, 0);
    assert.equal(await page.locator(".block .users .mark").count(), marks, `marks of levels ${levels}`);
  }
  await page.keyboard.press("ArrowRight");
  assert.equal(await figure(), expected.at(-1).bytes, "the last stop is the last");

  const mixed = expected.find(({ levels }) => new Set(levels).size > 1);
  await page.locator(".tick").nth(expected.indexOf(mixed)).click();
  await answers(mixed.levels);
  await resident(page, blocks(mixed.levels).size);
  const files = mixed.levels.flatMap((chosen, task) => [
    `stem-${task + 1}.safetensors`,
    `level-${task + 1}-${chosen}.safetensors`,
  ]);
  files.push(...blocks(mixed.levels).keys());
  const { memory } = await report();
  assert.deepEqual(memory.files.sort(), files.sort());
  assert.equal(
    memory.weight_bytes,
    files.reduce((sum, file) => sum + 4 * numbers[file], 0),
  );
});

test("the answers are those of each task alone, the link holds them, and there is a way back", async () => {
  const mixed = front().find(({ levels }) => new Set(levels).size > 1);
  const alone = [];
  for (const [task, chosen] of mixed.levels.entries()) {
    await page.getByText(model.tasks[task].title, { exact: true }).first().click();
    await page.getByTestId("share").waitFor({ state: "detached" });
    await page.getByRole("button", { name: new RegExp(`^Level ${chosen}`) }).click();
    alone.push(await answer(page, model.tasks[task].name, chosen));
  }
  await page.getByText(/^(Both|All)$/).click();
  await page.getByTestId("share").check();
  await page
    .locator(".tick")
    .nth(front().findIndex(({ bytes }) => bytes === mixed.bytes))
    .click();
  assert.deepEqual(await answers(mixed.levels), alone);
  const costs = await page.locator(".costs").textContent();
  assert.match(costs, /together/);

  const again = await open(browser, new URL(page.url()).hash);
  for (const [task, chosen] of mixed.levels.entries()) {
    assert.equal(await answer(again.page, model.tasks[task].name, chosen), alone[task]);
  }
  assert.deepEqual(again.errors, []);
  await again.close();

  await page.getByTestId("share").uncheck();
  await page.getByRole("button", { name: /^Level 1/ }).click();
  await answers(model.tasks.map(() => 1));
  assert.equal(await figure(), 4 * Math.max(...model.tasks.map((_, task) => level(task, 1).parameters)));
});
