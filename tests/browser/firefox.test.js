// The page in Firefox, where one is installed: it answers as in Chromium, at every level, and takes a visitor's picture.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import puppeteer from "puppeteer-core";
import { launch, open, original, said, served, WIDE } from "./page.js";

/** Its first start on a machine with other things to do takes half a minute. */
const PATIENCE = 120_000;

const { DVN_PAGE, FIREFOX } = process.env;
const skip = FIREFOX ? false : "FIREFOX names no Firefox";

test("Firefox answers as Chromium does", { skip, timeout: 4 * PATIENCE }, async () => {
  const chromium = await launch({ webgpu: false });
  const visit = await open(chromium, "#engine=cpu");
  const { model, strip } = await served(visit.page);
  const [task] = model.tasks;
  const deepest = task.levels.length;
  const expected = [];
  for (let level = 1; level <= deepest; level++) {
    await visit.page.getByRole("button", { name: new RegExp(`^Level ${level}`) }).click();
    expected.push(await said(visit.page, task.name, level));
  }
  const bytes = await original(visit.page, strip[0].file);
  await chromium.close();

  // The window's own size: not every Firefox can be told another later.
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    defaultViewport: null,
    args: [`--width=${WIDE.width}`, `--height=${WIDE.height}`],
  });
  try {
    const page = await browser.newPage();
    const errors = [];
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(`${DVN_PAGE}#engine=cpu`);
    const answered = async (level) => {
      const card = `[data-testid="answer-${task.name}"][data-level="${level}"]`;
      await page.waitForSelector(card, { timeout: PATIENCE });
      const text = (part) => page.$eval(`${card} ${part}`, (element) => element.textContent.trim());
      return `${await text('[data-testid="class"]')} ${await text(".top-class .share")}`;
    };
    assert.equal(await answered(1), expected[0]);
    await page.focus('[data-testid="budget"]');
    for (let level = 2; level <= deepest; level++) {
      await page.keyboard.press("ArrowRight");
      assert.equal(await answered(level), expected[level - 1]);
    }
    const resident = await page.$$eval('.block[data-state="resident"]', (blocks) => blocks.length);
    assert.equal(resident, deepest ** 2, "the whole network is in memory");

    const folder = mkdtempSync(join(tmpdir(), "dvn-firefox-"));
    const file = join(folder, "mine.png");
    writeFileSync(file, bytes);
    await (await page.$('[data-testid="files"]')).uploadFile(file);
    await page.waitForSelector('.thumb[aria-checked="true"][title="mine.png"]', { timeout: PATIENCE });
    assert.equal(await answered(deepest), expected[deepest - 1], "the same picture as a file");
    rmSync(folder, { recursive: true });

    await page.click('[data-testid="share"]');
    await page.focus('[data-testid="budget"]');
    await page.keyboard.press("Home");
    assert.equal(await answered(1), expected[0]);
    assert.deepEqual(errors, []);
  } finally {
    await browser.close();
  }
});
