// WebGPU in Firefox, which has another implementation than Chromium and another compiler of shaders.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import puppeteer from "puppeteer-core";

const { DVN_PAGE, FIREFOX } = process.env;
const skip = FIREFOX ? false : "FIREFOX names no Firefox";

/** A software adapter takes seconds to compile a kernel. */
const LONG = 120_000;

/** Where it is not on by itself yet, and on adapters that it would not take by itself. */
const WITH_WEBGPU = {
  "dom.webgpu.enabled": true,
  "dom.webgpu.workers.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
};

/** Whether all cards have an answer at level 2; one without an answer yet has no level. */
const answered = (cards) => cards.length > 0 && cards.every(({ dataset }) => dataset.level === "2");

test("WebGPU answers in Firefox as the CPU engine does", { skip, timeout: 2 * LONG }, async (t) => {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    defaultViewport: null,
    extraPrefsFirefox: WITH_WEBGPU,
  });
  try {
    const page = await browser.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    const told = [];
    page.on("console", (message) => told.push(message.text()));
    /** Both tasks' answers at level 2, and which engine gave them. */
    const answers = async (engine) => {
      await page.goto("about:blank");
      await page.goto(`${DVN_PAGE}#engine=${engine}&level=2`);
      const late = Date.now() + LONG;
      while (!(await page.$$eval("article[data-testid^='answer-']", answered))) {
        if (Date.now() > late) {
          const shown = await page.$eval("body", (body) => body.textContent);
          assert.fail([`no answers from ${engine}`, ...told, ...errors, "The page:", shown].join("\n"));
        }
        await setTimeout(200);
      }
      await page.waitForSelector("#view-details h2");
      const line = await page.$eval('[data-testid="engine-line"]', (element) => element.textContent);
      const said = await page.$$eval("article[data-testid^='answer-'] .top-class", (all) =>
        all.map((element) => element.textContent.trim()),
      );
      return { line, said };
    };
    const cpu = await answers("cpu");
    assert.match(cpu.line, /^Processor/);
    assert.ok(cpu.said.length > 0);
    // Some releases have WebGPU and refuse every adapter.
    const adapter = await page.evaluate(async () =>
      Boolean(await navigator.gpu?.requestAdapter().catch(() => null)),
    );
    if (!adapter) {
      t.skip("this Firefox finds no adapter");
      return;
    }
    const gpu = await answers("webgpu");
    assert.match(gpu.line, /^Graphics processor/);
    assert.deepEqual(gpu.said, cpu.said);
    assert.equal((await page.$$('[data-testid="dropped"]')).length, 0, "no kernel is left out");
    assert.deepEqual(errors, []);
  } finally {
    await browser.close();
  }
});
