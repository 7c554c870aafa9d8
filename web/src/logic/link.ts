// The moment a link holds: what stands after the # of the address.

import type { EngineWish } from "../worker/protocol.ts";

export const VIEWS = ["try", "blocks", "accuracy", "pictures", "details"] as const;
export type View = (typeof VIEWS)[number];

export interface Moment {
  model?: string;
  /** The name of the one task that is answered; all of them without it. */
  task?: string;
  /** Whether all tasks share the budget. */
  share?: boolean;
  /** A level by its number, or a budget in parameters between levels. */
  level?: number;
  budget?: number;
  /** The file name of a built-in picture. */
  image?: string;
  view?: View;
  engine?: EngineWish;
}

/** Reads a link; what it cannot understand it leaves out, for anyone may have written it. */
export function readLink(hash: string): Moment {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const moment: Moment = {};
  for (const key of ["model", "task", "image"] as const) {
    const value = parameters.get(key);
    if (value) moment[key] = value;
  }
  if (parameters.get("share") === "1") moment.share = true;
  for (const key of ["level", "budget"] as const) {
    const value = parameters.get(key);
    if (value && /^\d{1,12}$/.test(value) && Number(value) > 0) moment[key] = Number(value);
  }
  const view = VIEWS.find((name) => name === parameters.get("view"));
  if (view && view !== "try") moment.view = view;
  const engine = (["webgpu", "cpu"] as const).find((name) => name === parameters.get("engine"));
  if (engine) moment.engine = engine;
  return moment;
}

/** Writes a link, the same moment always in the same way. */
export function writeLink(moment: Moment): string {
  const parameters = new URLSearchParams();
  for (const key of ["model", "task", "share", "level", "budget", "image", "view", "engine"] as const) {
    const value = moment[key];
    if (value === undefined || value === false || value === "try" || value === "auto") continue;
    parameters.set(key, value === true ? "1" : String(value));
  }
  const text = parameters.toString();
  return text ? `#${text}` : "";
}
