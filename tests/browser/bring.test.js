// The visitor's own pictures: from the camera, pasted, dropped, in folders.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, original, PHONE, said, served } from "./page.js";

let browser;

before(async () => {
  browser = await launch({ webgpu: false });
});

after(() => browser.close());

/** A page with a built-in picture's file; what it is to be named, and another picture is shown. */
async function visit(options) {
  const { page, errors, close } = await open(browser, "#engine=cpu", options);
  const { model, strip } = await served(page);
  const [task] = model.tasks;
  const [other, entry] = strip.filter(({ label }) => task.classes.includes(label));
  await page.locator(`[id="thumb-${entry.file}"]`).click();
  const expected = await said(page, task.name, 1);
  await page.locator(`[id="thumb-${other.file}"]`).click();
  assert.notEqual(await said(page, task.name, 1), expected, "two pictures that are told apart");
  const bytes = await original(page, entry.file);
  const chosen = page.locator('.thumb[aria-checked="true"]');
  /** Waits until a picture of the visitor's is chosen, and looks at its answer. */
  const arrives = async (name) => {
    await page.locator(`.thumb[aria-checked="true"][title="${name}"]`).waitFor();
    assert.match(await chosen.getAttribute("aria-label"), /, yours$/);
    assert.equal(await said(page, task.name, 1), expected);
  };
  const end = async () => {
    assert.deepEqual(errors, []);
    await close();
  };
  return { page, task, entry, bytes, arrives, end };
}

/** Drops files or folders of this computer on the page, as the system does. */
async function drop(page, files) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  const send = (type) => session.send("Input.dispatchDragEvent", { type, x: 300, y: 300, data });
  await send("dragEnter");
  await send("dragOver");
  const hint = page.locator(".drop-hint");
  await hint.waitFor();
  // The hint lies under the pointer now, and has to agree too before anything may be dropped on it.
  await send("dragOver");
  await send("dragOver");
  await send("drop");
  await hint.waitFor({ state: "detached" });
}

test("a phone's camera gives a picture", async () => {
  const { page, bytes, arrives, end } = await visit({ viewport: PHONE, hasTouch: true, isMobile: true });
  const choosing = page.waitForEvent("filechooser");
  await page.getByText("Camera", { exact: true }).tap();
  const chooser = await choosing;
  assert.equal(await chooser.element().getAttribute("capture"), "environment", "the camera at the back");
  await chooser.setFiles({ name: "photo.png", mimeType: "image/png", buffer: bytes });
  await arrives("photo.png");
  await end();
});

test("a picture is pasted", async () => {
  const permissions = ["clipboard-read", "clipboard-write"];
  const { page, entry, arrives, end } = await visit({ permissions });
  await page.evaluate(async (file) => {
    const picture = await (await fetch(`strip/${file}`)).blob();
    await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
  }, entry.file);
  await page.keyboard.press("Control+V");
  await arrives("image.png");
  await end();
});

test("dropped files are taken, and a folder's name says what its pictures show", async () => {
  const { page, task, entry, bytes, arrives, end } = await visit();
  const root = mkdtempSync(join(tmpdir(), "dvn-drop-"));
  const inside = join(root, "animals", `${entry.label}s`);
  mkdirSync(inside, { recursive: true });
  writeFileSync(join(inside, "one.png"), bytes);
  writeFileSync(join(inside, ".hidden"), "for nobody");
  writeFileSync(join(root, "loose.png"), bytes);
  const truth = page.locator(".truth select").first();

  await drop(page, [join(root, "loose.png")]);
  await arrives("loose.png");
  assert.equal(await truth.inputValue(), "", "nobody said what it shows");

  await drop(page, [join(root, "animals")]);
  await arrives(`${entry.label}s`);
  assert.equal(await truth.inputValue(), String(task.classes.indexOf(entry.label)));
  assert.equal(await page.getByRole("radio", { name: /, yours$/ }).count(), 2);
  assert.equal(await page.getByTestId("notice").count(), 0);
  rmSync(root, { recursive: true });
  await end();
});
