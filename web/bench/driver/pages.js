// Pages, each with one engine.

/** What page/page.js is told of each engine. */
export const ENGINES = {
  webgpu: { library: "dvn", backend: "webgpu" },
  cpu: { library: "dvn", backend: "cpu", threads: 1 },
  "cpu-threads": { library: "dvn", backend: "cpu", threads: "all", worker: true },
  "ort-webgpu": { library: "onnxruntime", backend: "webgpu" },
  "ort-wasm-1": { library: "onnxruntime", backend: "wasm", threads: 1 },
  "ort-wasm": { library: "onnxruntime", backend: "wasm", threads: "all" },
  "tfjs-webgpu": { library: "tensorflow", backend: "webgpu" },
  "tfjs-wasm": { library: "tensorflow", backend: "wasm" },
};

/** The longest that a call may take beyond the seconds that it is to run for, and what each picture may add to it. */
const PATIENCE = 120;
const PATIENCE_A_PICTURE = 10;

/** A page whose engine has given its first result. */
export class Run {
  /** What the engine gave and took for that: see start in page/page.js. */
  started;
  #context;
  #page;
  #patience;

  constructor(name, batch, context, page) {
    this.name = name;
    this.#patience = PATIENCE + PATIENCE_A_PICTURE * batch;
    this.#context = context;
    this.#page = page;
  }

  /** A fresh page with nothing in its cache, up to the first result on a level. */
  static async start(browser, job, name, level, batch) {
    const context = await browser.newContext();
    const run = new Run(name, batch, context, await context.newPage());
    try {
      await run.#page.goto(job.address);
      await run.#page.waitForFunction(() => globalThis.bench !== undefined);
      const { threads, ...engine } = ENGINES[name];
      const { task, size, model, levelsAt: levels } = job;
      const settings = { threads: threads === "all" ? job.threads : threads, level, batch, task, size };
      run.started = await run.call("start", { ...engine, ...settings, model, levels });
    } catch (error) {
      await run.close();
      throw error;
    }
    return run;
  }

  /** Calls a function of page/page.js that takes about `seconds`. */
  call(what, argument, seconds = 0) {
    const work = this.#page.evaluate(
      ([what, argument]) => globalThis.bench.call(what, argument),
      [what, argument],
    );
    return within(this.#patience + seconds, work);
  }

  close() {
    return this.#context.close();
  }
}

/** Something was not done in time. */
export class Late extends Error {}

async function within(seconds, work) {
  let timer;
  const late = new Promise((_, failed) => {
    timer = setTimeout(() => failed(new Late(`not done after ${seconds} s`)), 1000 * seconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
