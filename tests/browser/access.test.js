// axe-core finds no serious fault, at both widths, in light and dark, in every state.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { answer, launch, open, PHONE, served, WIDE } from "./page.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;

before(async () => {
  browser = await launch({ webgpu: false });
});

after(() => browser.close());

/** The serious and critical faults of the page as it is. */
async function faults(page) {
  // The page's security policy allows no script from elsewhere; the debugger's door is another.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { resultTypes: ["violations"] }),
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
}

for (const [width, viewport] of [
  ["wide", WIDE],
  ["phone", PHONE],
]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${width}, ${colorScheme}`, async () => {
      const { page, errors, close } = await open(browser, "#engine=cpu&level=2", { viewport, colorScheme });
      const { model } = await served(page);
      for (const task of model.tasks) await answer(page, task.name, 2);
      await page.getByTestId("files").setInputFiles({
        name: "broken.png",
        mimeType: "image/png",
        buffer: Buffer.from("no picture"),
      });
      await page.getByTestId("notice").waitFor();
      await page.getByText("The blocks as a table").click();
      assert.deepEqual(await faults(page), []);
      const wider = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(await wider(), false, "nothing sticks out sideways");
      await page.getByTestId("share").check();
      await page.getByTestId("budget").focus();
      await page.keyboard.press("Home");
      for (const task of model.tasks) await answer(page, task.name, 1);
      assert.deepEqual(await faults(page), [], "with a budget that all tasks share");
      assert.equal(await wider(), false, "nor with a budget that all tasks share");
      assert.deepEqual(errors, []);
      await close();
    });
  }
}

test("everything a visitor does can be done by keyboard", async () => {
  const { page, close } = await open(browser, "#engine=cpu");
  const { model } = await served(page);
  for (const task of model.tasks) await answer(page, task.name, 1);
  const reached = new Set();
  for (let press = 0; press < 60; press++) {
    await page.keyboard.press("Tab");
    reached.add(
      await page.evaluate(() => {
        const element = document.activeElement;
        return (
          element?.getAttribute("data-testid") ?? element?.className?.baseVal ?? element?.className ?? ""
        );
      }),
    );
  }
  for (const place of ["engine", "thumb", "files", "budget", "block there ", "answer-all"]) {
    assert.ok(
      [...reached].some((name) => name.startsWith(place.trim())),
      `Tab reaches ${place}: ${[...reached]}`,
    );
  }
  await close();
});
