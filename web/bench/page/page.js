// What the driver calls in a page: one engine, from its cold start to its last run. Nothing here is loaded until the
// driver asks for it, so that a cold start is timed whole.
//
// An engine is an object with
//   load(level)        fetch, compile, prepare a level, in place of the one that is there
//   input(rgb, count)  images in the form the engine wants, outside the timing
//   run(input, count)  resolves to the outputs, count x classes
//   logits             whether the outputs are logits; otherwise they are probabilities
//   adapter            what it runs on
//   bytes()            bytes that it says it keeps for weights and feature maps, or null

const MODULES = {
  dvn: "/page/dvn.js",
  onnxruntime: "/page/onnxruntime.js",
  tensorflow: "/page/tensorflow.js",
};

performance.setResourceTimingBufferSize(2000);

let engine;
let input;
let count;

/** A worker that does all of this in place of the page. */
let worker;

/** Every memory of every WebAssembly module on this page. */
const memories = new Set();
for (const name of ["instantiate", "instantiateStreaming"]) {
  const original = WebAssembly[name];
  WebAssembly[name] = async (source, imports) => {
    const made = await original.call(WebAssembly, source, imports);
    const { exports } = made.instance ?? made;
    for (const item of [exports, ...Object.values(imports ?? {})].flatMap(Object.values)) {
      if (item instanceof WebAssembly.Memory) memories.add(item);
    }
    return made;
  };
}

/** Opens an engine, loads a level and runs it once. Times are in milliseconds from the call. */
async function start(job) {
  const rgb = noise(job.batch, job.size);
  performance.clearResourceTimings();
  const begin = performance.now();
  const { open } = await import(MODULES[job.library]);
  engine = await open(job);
  await engine.load(job.level);
  count = job.batch;
  input = engine.input(rgb, count);
  const output = await engine.run(input, count);
  const firstMs = performance.now() - begin;
  return { firstMs, adapter: engine.adapter, logits: engine.logits, output: [...output], ...downloads() };
}

/** Goes on to another level and runs it once. */
async function change(level) {
  performance.clearResourceTimings();
  const begin = performance.now();
  await engine.load(level);
  const output = await engine.run(input, count);
  return { ms: performance.now() - begin, output: [...output], ...downloads() };
}

/** Runs for `seconds`, with pauses in which a browser can put better code in place; gives the number of runs. */
async function warmUp(seconds) {
  const end = performance.now() + 1000 * seconds;
  let runs = 0;
  while (performance.now() < end) {
    await engine.run(input, count);
    runs += 1;
    await new Promise((done) => setTimeout(done, runs % 4 === 0 ? 20 : 0));
  }
  return runs;
}

/** Runs for `seconds`, at least once; gives the milliseconds of each run. */
async function turn(seconds) {
  const times = [];
  const end = performance.now() + 1000 * seconds;
  do {
    const begin = performance.now();
    await engine.run(input, count);
    times.push(performance.now() - begin);
  } while (performance.now() < end);
  return times;
}

/** Bytes of WebAssembly's memories, whatever is free in them, and those that the engine says it keeps. */
function memory() {
  const wasm = [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  return { wasm, engine: engine.bytes() };
}

/** What was fetched since the last start or change. */
function downloads() {
  const entries = performance.getEntriesByType("resource");
  return { files: entries.map((entry) => ({ url: entry.name, bytes: entry.encodedBodySize })) };
}

/** Images of random bytes, the same at every call (xorshift32: Marsaglia 2003). */
function noise(images, size) {
  let state = 2463534242;
  return Uint8Array.from({ length: images * size * size * 3 }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 24;
  });
}

/** Calls one of these functions in a worker, where threads may be waited for. */
function inWorker(what, argument) {
  worker ??= new Worker("/page/page.js", { type: "module" });
  return new Promise((done, failed) => {
    worker.onmessage = ({ data }) => (data.error ? failed(new Error(data.error)) : done(data.result));
    worker.onerror = (event) => failed(new Error(event.message || "the worker could not be loaded"));
    worker.postMessage([what, argument]);
  });
}

const own = { start, change, warmUp, turn, memory };

if (globalThis.document) {
  globalThis.bench = {
    async call(what, argument) {
      if (what !== "start" || !argument.worker)
        return worker ? inWorker(what, argument) : own[what](argument);
      const begin = performance.now();
      const started = await inWorker(what, argument);
      return { ...started, firstMs: performance.now() - begin };
    },
  };
} else {
  globalThis.onmessage = async ({ data: [what, argument] }) => {
    try {
      postMessage({ result: await own[what](argument) });
    } catch (error) {
      postMessage({ error: String(error.message ?? error) });
    }
  };
}
