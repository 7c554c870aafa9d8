// What the tests share: a browser, a page that reports its errors, and ways to read the page.

import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const address = process.env.DVN_PAGE;
const executablePath = process.env.CHROMIUM;
if (!address || !executablePath) {
  throw new Error("DVN_PAGE and CHROMIUM say what to test with; run: cargo xtask test --only browser");
}

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Headless Chromium hides WebGPU on software adapters unless it is told not to. */
const WITH_WEBGPU = ["--enable-unsafe-webgpu"];

/** The longest wait for anything on CPU, in milliseconds; a software GPU gets its own. */
export const PATIENCE = 30_000;

export const WIDE = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

function how(webgpu) {
  return { executablePath, args: [...ARGUMENTS, ...(webgpu ? WITH_WEBGPU : [])] };
}

export function launch({ webgpu }) {
  return chromium.launch(how(webgpu));
}

/** A browser whose GPU process can be killed, as a driver's reset does (on Linux). */
export async function launchToLose() {
  const server = await chromium.launchServer(how(true));
  return {
    browser: await chromium.connect(server.wsEndpoint()),
    loseGpu: () => process.kill(gpuProcess(server.process().pid), "SIGKILL"),
    close: () => server.close(),
  };
}

/** The GPU process among a browser's descendants. */
function gpuProcess(browser) {
  const parents = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      // "pid (name) state parent ...", and a name may hold spaces.
      const [, parent] = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      parents.set(Number(pid), Number(parent));
    } catch {
      // It ended meanwhile.
    }
  }
  const descends = (pid) => pid === browser || (parents.has(pid) && descends(parents.get(pid)));
  for (const pid of parents.keys()) {
    if (descends(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=gpu-process"))
      return pid;
  }
  throw new Error("the browser has no GPU process");
}

/** Opens the page, or the one `at` another address, at a link's moment; `errors` fills with whatever the page complains
 * about. */
export async function open(browser, link = "", { at = address, ...options } = {}) {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const errors = [];
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(at) && !request.url().startsWith("blob:")) {
      errors.push(`a request left the page: ${request.url()}`);
    }
  });
  if (options.before) await options.before(page);
  await page.goto(at + link);
  return { page, errors, close: () => context.close() };
}

/** The page from a server that says nothing of isolation from other origins. */
export async function serveUnisolated() {
  const server = createServer(async (request, response) => {
    const answer = await fetch(new URL(request.url, address));
    response.writeHead(answer.status, { "Content-Type": answer.headers.get("Content-Type") ?? "text/plain" });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise((listening) => server.listen(0, "localhost", listening));
  return { at: `http://localhost:${server.address().port}/`, close: () => server.close() };
}

/** Has the engine's worker run `patch` first: for what no browser here does by itself. Needs a context that bypasses
 * the page's content security policy. */
export function patchWorker(page, patch) {
  return page.addInitScript((patch) => {
    const Plain = Worker;
    const module = (code) => URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    window.Worker = class extends Plain {
      constructor(address, how) {
        const first = module(`(${patch})()`);
        const then = new URL(address, location.href).href;
        // Imports run in their order.
        super(module(`import "${first}"; import "${then}";`), how);
      }
    };
  }, String(patch));
}

/** The card of a task. */
export function card(page, task) {
  return page.getByTestId(`answer-${task}`);
}

/** Waits until a task has its answer at a level, for the picture that is chosen, and until the rest of the page is drawn,
 * which comes after a visit's first answer; the class it names. */
export async function answer(page, task, level, timeout = PATIENCE) {
  const there = page.locator(`[data-testid="answer-${task}"][data-level="${level}"]`);
  await there.waitFor({ timeout });
  await page.locator("#view-details h2").waitFor({ timeout });
  return (await there.getByTestId("class").textContent()).trim();
}

/** Waits until so many blocks of the grid are in memory. Those that a level no longer needs are freed in the worker's
 * turn, which an answer that is there already does not wait for. */
export async function resident(page, count) {
  await page.waitForFunction(
    (count) => document.querySelectorAll('.block[data-state="resident"]').length === count,
    count,
  );
}

/** The models and the built-in pictures, as the server has them. */
export async function served(page) {
  return page.evaluate(async () => {
    const json = async (path) => (await fetch(path)).json();
    const { models } = await json("models/index.json");
    return {
      models,
      model: await json(`models/${models[0]}/model.json`),
      strip: await json("strip/strip.json"),
    };
  });
}

/** A built-in picture's file. */
export async function original(page, file) {
  const bytes = await page.evaluate(
    async (file) => [...new Uint8Array(await (await fetch(`strip/${file}`)).arrayBuffer())],
    file,
  );
  return Buffer.from(bytes);
}

/** What a task's card says of the chosen picture at a level: the class and its share. */
export async function said(page, task, level) {
  const name = await answer(page, task, level);
  return `${name} ${await card(page, task).locator(".top-class .share").textContent()}`;
}

/** A built-in picture, enlarged eight times, as a file of a type: what a visitor may have saved. */
export async function enlarged(page, file, type) {
  const bytes = await page.evaluate(
    async ([file, type]) => {
      const bitmap = await createImageBitmap(await (await fetch(`strip/${file}`)).blob());
      const canvas = new OffscreenCanvas(bitmap.width * 8, bitmap.height * 8);
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      const blob = await canvas.convertToBlob({ type, quality: 0.97 });
      return [...new Uint8Array(await blob.arrayBuffer())];
    },
    [file, type],
  );
  return Buffer.from(bytes);
}
