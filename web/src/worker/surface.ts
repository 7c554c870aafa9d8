// What the page uses of the engine's WebAssembly module. The module's own types, generated from the Rust
// source, are assigned to these in load.ts, so the compiler reports any difference.

export interface Accuracy {
  percent: number;
  images: number;
  seeds: number;
}

export interface LevelInfo {
  /** 1-based. */
  level: number;
  /** Its units, 1-based. */
  units: number[];
  parameters: number;
  bytes: number;
  macs: number;
  activation_bytes: number;
  accuracy?: Accuracy | null;
  /** Whether training has left it out: its answers mean nothing. */
  untrained?: boolean;
}

export interface TaskInfo {
  name: string;
  title: string;
  classes: string[];
  input: { size: number };
  /** The units in the order they join, 1-based. */
  order: number[];
  levels: LevelInfo[];
}

export interface ShardInfo {
  file: string;
  bytes: number;
  sha256: string;
}

/** A level for every task, resident together. */
export interface CombinationInfo {
  levels: number[];
  /** Blocks that several tasks use are counted once. */
  parameters: number;
  bytes: number;
  /** Mean test accuracy in percent, where every level's was measured. */
  accuracy?: number;
}

export interface ModelInfo {
  name: string;
  backbone: string;
  /** Each unit's share of every layer; they sum to 1. */
  units: number[];
  tasks: TaskInfo[];
  shards: ShardInfo[];
  /** What one budget shared by all tasks buys: the best combinations, smallest first. */
  together: CombinationInfo[];
}

export interface Model {
  describe(): ModelInfo;
  /** The shards that a level needs, in order of use; `task` counts from 0, `level` from 1. */
  shards(task: number, level: number): string[];
  free(): void;
}

/** Convolutions of one shape, and the kernel that carries them out. */
export interface StageKernel {
  shape: string;
  /** How many convolutions of the level have it. */
  layers: number;
  kernel: string;
  origin: "only" | "rule" | "measured" | "kept" | "forced";
}

/** How a GPU carries out a level, one picture at a time. */
export interface KernelReport {
  stages: StageKernel[];
  dispatches: number;
  /** Kernels that this GPU must do without. */
  dropped: { kernel: string; reason: string }[];
}

export interface Engine {
  readonly kind: string;
  readonly adapter: string;
  /** Whether the adapter only imitates a GPU. */
  readonly software: boolean;
  insert(file: string, bytes: Uint8Array, sha256?: string): void;
  /** To be waited for after shards were inserted, one call at a time: brings them to the GPU when many wait. */
  settle(): Promise<void>;
  retain(files: string[]): void;
  resident(): string[];
  residentBytes(): number;
  activationBytes(): number;
  run(task: number, level: number, rgb: Uint8Array, images: number): Promise<Float32Array>;
  /** What is known of the kernels' speed on this GPU, for the next visit. */
  record(): string | undefined;
  kernels(task: number, level: number): KernelReport | undefined;
  lost(): boolean;
  free(): void;
}

/** The WebAssembly builds: with plain SIMD, with relaxed SIMD, with that and threads. */
export type Build = "simd" | "relaxed" | "threads";

/** The module, loaded and ready. */
export interface Surface {
  build: Build;
  Model: { parse(json: string): Model };
  Engine: { webgpu(model: Model, record?: string): Promise<Engine>; cpu(model: Model): Promise<Engine> };
  resize(pixels: Uint8Array, width: number, height: number, channels: number, size: number): Uint8Array;
  /** Starts the CPU engine's threads, once. Until then, where they fail and where there are none it runs on one. */
  startThreads(): Promise<void>;
  /** Bytes of the module's own memory. It only ever grows. */
  heapBytes(): number;
}
