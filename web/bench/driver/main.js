// Runs the engines in turns in one Chromium session. The job comes as JSON on standard input; what is found goes to
// standard output, one JSON object a line: {"say"} for people, {"skipped"} and {"row"} for the report.

import { readFileSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { chromium } from "playwright-core";
import { difference, TOLERANCE } from "./compare.js";
import { Downloads } from "./downloads.js";
import { ENGINES, Late, Run } from "./pages.js";
import { convert } from "./tensorflow.js";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Pages that wait for their turn are no less alive for it.
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
  // Software adapters too.
  "--enable-unsafe-webgpu",
];

/** A start that takes longer, in milliseconds, is not repeated. */
const SLOW = 5000;

const job = JSON.parse(await text(process.stdin));
const write = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const say = (line) => write({ say: line });

if (job.engines.some((name) => ENGINES[name].library === "tensorflow")) {
  for (const level of job.exported) {
    const base = `${job.folder}/level-${level}`;
    const { graph, numbers } = convert(readFileSync(`${base}.onnx`));
    writeFileSync(`${base}.tensorflow.json`, JSON.stringify(graph));
    writeFileSync(`${base}.tensorflow.bin`, numbers);
  }
}

const browser = await chromium.launch({ executablePath: job.chromium, args: ARGUMENTS });
const downloads = new Downloads();
/** Engines that are left out from now on, with the smallest batch that they are left out for. */
const leftOut = new Map();
try {
  for (const level of job.levels) {
    for (const batch of job.batches) await measure(level, batch);
  }
} finally {
  await browser.close();
}

/** All engines on one level and batch. */
async function measure(level, batch) {
  say(`level ${level}, batch ${batch}`);
  const expected = await probabilities(level, batch);
  const runs = [];
  for (const name of job.engines) {
    if (batch >= (leftOut.get(name) ?? Number.POSITIVE_INFINITY)) continue;
    try {
      const run = await coldStarts(name, level, batch);
      runs.push(run);
      run.difference = checked(run, run.started.output, expected);
    } catch (error) {
      leaveOut(name, level, batch, error);
      if (runs.at(-1)?.name === name) await runs.pop().close();
    }
  }
  for (const run of runs) {
    const count = await run.call("warmUp", job.warmUp, job.warmUp);
    say(`  ${run.name}: ${count} runs of warm-up, logits differ by ${run.difference.toExponential(1)}`);
  }
  for (const run of runs) run.times = [];
  for (let round = 0; round < job.rounds; round++) {
    for (const run of round % 2 === 0 ? runs : [...runs].reverse()) {
      run.times.push(await run.call("turn", job.turn, job.turn));
    }
  }
  const next = level < job.last ? level + 1 : undefined;
  const expectedNext = next && (await probabilities(next, batch));
  for (const run of runs) {
    try {
      run.memory = await run.call("memory");
      if (next) {
        run.changed = await run.call("change", next);
        checked(run, run.changed.output, expectedNext);
      }
      write({ row: await row(run, level, batch) });
    } catch (error) {
      leaveOut(run.name, level, batch, error);
    }
    await run.close();
  }
}

/** Starts an engine as often as there are rounds, unless it is slow; the last page stays. */
async function coldStarts(name, level, batch) {
  const firstMs = [];
  for (;;) {
    const run = await Run.start(browser, job, name, level, batch);
    firstMs.push(run.started.firstMs);
    if (firstMs.length >= job.rounds || run.started.firstMs > SLOW) return Object.assign(run, { firstMs });
    await run.close();
  }
}

function leaveOut(name, level, batch, error) {
  leftOut.set(name, error instanceof Late ? batch : 0);
  const why = String(error.message).replace(/^page\.evaluate: (Error: )?/, "");
  write({ skipped: { engine: name, level, batch, why: why.split("\n")[0] } });
}

/** What the project's CPU engine says, which everybody's logits are held to. */
async function probabilities(level, batch) {
  const run = await Run.start(browser, job, "cpu", level, batch);
  await run.close();
  return run.started.output;
}

/** How far an output is from what is expected; an error if that is too far. */
function checked(run, output, expected) {
  const found = difference(output, expected, job.classes, run.started.logits);
  if (found <= TOLERANCE) return found;
  throw new Error(
    `${run.name} is wrong: its logits differ from the CPU engine's by ${found.toExponential(1)}`,
  );
}

async function row(run, level, batch) {
  const { started, changed, memory } = run;
  return {
    engine: run.name,
    level,
    batch,
    adapter: started.adapter,
    times: run.times,
    first_ms: run.firstMs,
    difference: run.difference,
    wasm_bytes: memory.wasm,
    engine_bytes: memory.engine,
    ...(await downloads.of(started.files)),
    ...(changed && { change: { ms: changed.ms, bytes: (await downloads.of(changed.files)).bytes } }),
  };
}
