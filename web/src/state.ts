// What the page knows. Changed only by the App; read by the views.

import type { Stop } from "./logic/budget.ts";
import type { View } from "./logic/link.ts";
import type { Timing } from "./logic/statistics.ts";
import type { EngineChoice, EngineWish, FaultKind, Kernels, Memory } from "./worker/protocol.ts";
import type { ModelInfo } from "./worker/surface.ts";

/** A picture to try the network on. */
export interface Picture {
  /** The file name of a built-in one; "own-1", "own-2" of the visitor's. */
  id: string;
  name: string;
  source: "built-in" | "own";
  /** Where the page shows it from. */
  address: string;
  /** The true class of each task, where it is known. */
  truth: (number | undefined)[];
  /** What it shows, in a word; known for built-in ones. */
  label?: string;
  /** As each task's network sees it, once it is decoded. */
  seen?: Uint8Array[];
  width?: number;
  height?: number;
  /** Why it cannot be used. */
  fault?: string;
}

/** Something that went wrong, said where it belongs. */
export interface Trouble {
  fault: FaultKind;
  message: string;
}

/** Work over many pictures and levels. */
export interface Job {
  what: "times" | "answers" | "own answers" | "picture";
  done: number;
  total: number;
}

export interface State {
  /** The models on the server, and the one that is open. */
  models: string[];
  model?: string | undefined;
  info?: ModelInfo | undefined;
  /** Why nothing can be shown. */
  broken?: Trouble | undefined;
  stops: Stop[];
  engine?: EngineChoice | undefined;
  /** How the level in use runs on the graphics processor. */
  kernels?: Kernels | undefined;
  wish: EngineWish;
  /** The one task to answer, by index; all of them when undefined. */
  task?: number | undefined;
  /** Whether all tasks share the budget, where all of them are answered; else each has it for itself. */
  share: boolean;
  /** In parameters. */
  budget: number;
  view: View;
  /** Whether what lies below the first screen is drawn: not until the first answer, which drawing it would hold up. */
  below: boolean;
  pictures: Picture[];
  current?: string | undefined;
  /** Probabilities by `answerKey`. */
  answers: Map<string, Float32Array>;
  /** Measured here and now, by `spotKey`; of the engine that runs. */
  times: Map<string, Timing>;
  memory: Memory;
  /** Shards on their way. */
  arriving: Map<string, { received: number; total: number }>;
  /** Whether the answers shown are being brought up to date. */
  working: boolean;
  /** Why the level that was asked for cannot answer. */
  trouble?: Trouble | undefined;
  job?: Job | undefined;
  jobTrouble?: string | undefined;
  /** What happened to the files the visitor gave last. */
  notice?: string | undefined;
}

export function spotKey(task: number, level: number): string {
  return `${task}/${level}`;
}

export function answerKey(picture: string, task: number, level: number): string {
  return `${picture}/${spotKey(task, level)}`;
}

export function emptyState(): State {
  return {
    models: [],
    stops: [],
    wish: "auto",
    share: false,
    budget: 0,
    view: "try",
    below: false,
    pictures: [],
    answers: new Map(),
    times: new Map(),
    memory: { files: [], bytes: 0, activationBytes: 0, heapBytes: 0, fetched: 0, stored: 0 },
    arriving: new Map(),
    working: false,
  };
}
