// The messages between the page and its worker: a request has an id, and gets one result or one error with the
// same id; in between and on its own the worker tells events.

import type { Build, KernelReport, ModelInfo } from "./surface.ts";

export type EngineKind = "webgpu" | "cpu";
export type EngineWish = "auto" | EngineKind;

/** The engine that was measured to be the faster one here, and how it is known, in words. */
export interface Faster {
  kind: EngineKind;
  why: string;
}

/** Which engine runs, and why that one. */
export interface EngineChoice {
  kind: EngineKind;
  adapter: string;
  /** Whether the graphics processor is only imitated. */
  software: boolean;
  /** Why not the other, in words; empty when it is just what was asked for. */
  why: string;
  /** Whether the page chose it, and the other may run here too: which is faster is to be measured. */
  rival: boolean;
  /** What the system said about it, for engineers. */
  detail: string;
  /** The WebAssembly build in use. */
  build: Build;
}

/** A picture as the network sees it. */
export interface Seen {
  /** RGB, row by row, `size` x `size` x 3. */
  rgb: Uint8Array;
  /** Of the original. */
  width: number;
  height: number;
}

/** A level of a task: `task` counts from 0, `level` from 1. */
export interface Spot {
  task: number;
  level: number;
}

export interface Requests {
  /** Loads a model's description and makes an engine for it. */
  open: {
    /** `record` is what an earlier visit measured of the graphics processor, `faster` which engine it found to be. */
    request: {
      base: string;
      engine: EngineWish;
      record?: string | undefined;
      faster?: Faster | undefined;
    };
    result: { info: ModelInfo; engine: EngineChoice };
  };
  /** From now on just these levels stay resident: frees what they do not need. */
  keep: { request: { spots: Spot[] }; result: null };
  /** Loads what a level still needs. */
  load: { request: Spot; result: null };
  /** Decodes a picture and brings it to each of the sizes. */
  see: { request: { address: string; name: string; sizes: number[] }; result: Seen[] };
  /** Runs pictures through a level; probabilities, `images` x classes. */
  run: {
    request: Spot & { rgb: Uint8Array; images: number };
    result: { probabilities: Float32Array; milliseconds: number };
  };
  /** Times one picture through a level, again and again after a warm-up; milliseconds of each run. */
  time: { request: Spot & { rgb: Uint8Array }; result: number[] };
}

export type RequestKind = keyof Requests;

export type ToWorker =
  | { [K in RequestKind]: { id: number; kind: K } & Requests[K]["request"] }[RequestKind]
  | { id: number; kind: "cancel" };

/** What went wrong, for the place on the page that says so. */
export type FaultKind = "offline" | "shard" | "model" | "engine" | "picture" | "cancelled" | "internal";

export interface Memory {
  /** The shards that are resident. */
  files: string[];
  bytes: number;
  activationBytes: number;
  /** Of the engine's WebAssembly. */
  heapBytes: number;
  /** Bytes that came over the network, and that came from the browser's store, since the page was opened. */
  fetched: number;
  stored: number;
}

export interface Kernels extends Spot, KernelReport {}

export type FromWorker =
  | { kind: "result"; id: number; result: unknown }
  | { kind: "error"; id: number; fault: FaultKind; message: string }
  | { kind: "progress"; file: string; received: number; total: number }
  | { kind: "memory"; memory: Memory }
  /** How the level in use runs on the graphics processor, and what to keep of it for the next visit. */
  | { kind: "kernels"; kernels: Kernels; record: string }
  /** The engine had to be replaced while it ran. */
  | { kind: "engine"; engine: EngineChoice };

/** An error with the place it belongs to. */
export class Fault extends Error {
  constructor(
    readonly fault: FaultKind,
    message: string,
  ) {
    super(message);
  }

  static of(error: unknown, fault: FaultKind = "internal"): Fault {
    if (error instanceof Fault) return error;
    return new Fault(fault, error instanceof Error ? error.message : String(error));
  }
}
