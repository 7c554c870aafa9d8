// Which engine is faster on this device: measured on a level in use, and kept for the next visit.

import type { EngineKind, Faster } from "../worker/protocol.ts";
import { time } from "./words.ts";

/** The engine that does not run must be faster by this much: repeated measurements differ by less. */
const MARGIN = 0.9;

/** Which engine was faster on the largest level that was measured on both. */
export interface Verdict extends Faster {
  /** Multiply-adds of that level. */
  macs: number;
}

const NAMES: Record<EngineKind, string> = { webgpu: "graphics processor", cpu: "processor" };

export function otherEngine(kind: EngineKind): EngineKind {
  return kind === "cpu" ? "webgpu" : "cpu";
}

/**
 * Decides between the engine that runs and the other, by their milliseconds for one picture through a level of so many
 * multiply-adds, `level` in words.
 */
export function judge(
  running: EngineKind,
  times: Record<EngineKind, number>,
  macs: number,
  level: string,
): Verdict {
  const faster = times.cpu < times.webgpu ? "cpu" : "webgpu";
  const slower = otherEngine(faster);
  const close = times[faster] > MARGIN * times[slower];
  const kind = close ? running : faster;
  const loser = otherEngine(kind);
  const theirs = close ? `about as long, ${time(times[loser])}` : time(times[loser]);
  const why = `it takes ${time(times[kind])} here, the ${NAMES[loser]} ${theirs} (${level})`;
  return { kind, why, macs };
}

/** Verdicts by model, as they are kept. */
interface Kept {
  /** The version of the browser that measured: another one's engines may be faster or slower. */
  browser: string;
  models: Record<string, unknown>;
}

function parse(text: string | undefined, browser: string): Kept {
  try {
    const all = JSON.parse(text ?? "{}") as Partial<Kept> | null;
    if (all?.browser === browser && typeof all.models === "object")
      return { browser, models: { ...all.models } };
  } catch {
    // Whatever it is, this page did not write it.
  }
  return { browser, models: {} };
}

/** The verdict on a model among what was kept. */
export function readVerdict(text: string | undefined, browser: string, model: string): Verdict | undefined {
  const { models } = parse(text, browser);
  if (!Object.hasOwn(models, model)) return undefined;
  const { kind, why, macs } = (models[model] ?? {}) as Partial<Verdict>;
  if ((kind !== "cpu" && kind !== "webgpu") || typeof why !== "string" || typeof macs !== "number")
    return undefined;
  return { kind, why, macs };
}

/** What to keep instead of `text`, with the verdict on a model. */
export function writeVerdict(
  text: string | undefined,
  browser: string,
  model: string,
  verdict: Verdict,
): string {
  const { models } = parse(text, browser);
  return JSON.stringify({ browser, models: { ...models, [model]: verdict } });
}
