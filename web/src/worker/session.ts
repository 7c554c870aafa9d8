// One model and one engine: which shards are resident, and what runs. Knows nothing of messages or of the DOM.

import {
  type EngineChoice,
  type EngineKind,
  type EngineWish,
  type Faster,
  Fault,
  type Kernels,
  type Memory,
  type Spot,
} from "./protocol.ts";
import { fetchShard, type Progress, type ShardStore, sha256 } from "./shards.ts";
import type { Engine, Model, ModelInfo, ShardInfo, Surface } from "./surface.ts";

/** How many shards are on their way at once. */
const AT_ONCE = 4;

/** Bytes that wait for their level to be whole before they go into the store, which would hold it up. */
const MOST_UNSAVED = 8e6;

/** A measurement ends after this many runs or this many milliseconds, whichever is first. */
const MOST_RUNS = 30;
const LONGEST = 1500;

export interface Surroundings {
  surface: Surface;
  store: ShardStore;
  /** Whether the browser offers WebGPU at all. */
  hasGpu: boolean;
  /** What an earlier visit measured of the graphics processor. */
  record: string | undefined;
  /** Which engine an earlier measurement found to be faster here. */
  faster: Faster | undefined;
  progress: Progress;
  memory: (memory: Memory) => void;
  kernels: (kernels: Kernels, record: string) => void;
  engine: (choice: EngineChoice) => void;
}

/** A model that is open, with an engine for it. */
export class Session {
  readonly info: ModelInfo;
  private readonly shards: Map<string, ShardInfo>;
  /** The levels that stay resident between runs. */
  private kept: Spot[] = [];
  private fetched = 0;
  private stored = 0;
  /** Devices lost so far. */
  private losses = 0;
  private toldKernels = "";
  private settling: Promise<void> = Promise.resolve();
  private closed = false;
  /** What was fetched and is not in the store yet, by SHA-256. */
  private readonly unsaved = new Map<string, Uint8Array>();

  private constructor(
    private readonly around: Surroundings,
    private readonly base: string,
    private readonly model: Model,
    private readonly wish: EngineWish,
    private engine: Engine,
    public choice: EngineChoice,
  ) {
    this.info = model.describe();
    this.shards = new Map(this.info.shards.map((shard) => [shard.file, shard]));
  }

  static async open(around: Surroundings, base: string, json: string, wish: EngineWish): Promise<Session> {
    let model: Model;
    try {
      model = around.surface.Model.parse(json);
    } catch (error) {
      throw Fault.of(error, "model");
    }
    const [engine, choice] = await makeEngine(around, model, wish);
    return new Session(around, base, model, wish, engine, choice);
  }

  /** From now on just these levels stay resident: frees what they do not need. */
  keep(spots: Spot[]): void {
    this.kept = spots;
    this.free(spots);
  }

  /** Loads what a level still needs. */
  async load(spot: Spot, signal?: AbortSignal): Promise<void> {
    await this.attempt(spot, signal, async () => {});
  }

  /** Runs pictures through a level, which is loaded for it if it is not resident. */
  async run(spot: Spot, rgb: Uint8Array, images: number, signal?: AbortSignal): Promise<Float32Array> {
    return this.attempt(spot, signal, async () => {
      const probabilities = await this.engine.run(spot.task, spot.level, rgb, images);
      this.tellKernels(spot);
      // Not before: the first answer would have to wait for them.
      void this.startThreads();
      return probabilities;
    });
  }

  /** Times one picture through a level: the first run warms up and does not count. */
  async time(spot: Spot, rgb: Uint8Array, signal?: AbortSignal): Promise<number[]> {
    await this.startThreads();
    return this.attempt(spot, signal, async () => {
      const start = performance.now();
      await this.engine.run(spot.task, spot.level, rgb, 1);
      this.tellKernels(spot);
      const runs: number[] = [];
      while (runs.length < MOST_RUNS && (runs.length < 1 || performance.now() - start < LONGEST)) {
        if (signal?.aborted) throw new Fault("cancelled", "No longer needed.");
        const before = performance.now();
        await this.engine.run(spot.task, spot.level, rgb, 1);
        runs.push(performance.now() - before);
      }
      return runs;
    });
  }

  close(): void {
    this.closed = true;
    this.engine.free();
    this.model.free();
  }

  /** Has the CPU engine run on all its threads from now on, and tells so. */
  private async startThreads(): Promise<void> {
    const { engine } = this;
    if (engine.kind !== "cpu") return;
    await this.around.surface.startThreads();
    if (this.closed || engine !== this.engine || engine.adapter === this.choice.adapter) return;
    this.choice = { ...this.choice, adapter: engine.adapter };
    this.around.engine(this.choice);
  }

  /** Does some work on a level, once more on a new engine when the first one's device was lost. */
  private async attempt<T>(spot: Spot, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    let files = this.files([spot]);
    try {
      for (;;) {
        try {
          await this.fetchAll(files, signal);
          const result = await work();
          this.tellMemory();
          return result;
        } catch (error) {
          if (!this.engine.lost()) throw Fault.of(error, "engine");
          // A lost device takes all its memory along.
          files = [...new Set([...files, ...this.engine.resident()])];
          await this.replace();
        }
      }
    } finally {
      this.save();
      this.free(this.kept);
    }
  }

  /** Starts again after a lost device: on the GPU if it comes back, on the CPU when that is lost too. */
  private async replace(): Promise<void> {
    // What was measured is still true of the device that comes back.
    const record = this.engine.record() ?? this.around.record;
    this.engine.free();
    this.losses += 1;
    const again = this.losses > 1;
    const [engine, choice] = await makeEngine(
      { ...this.around, record },
      this.model,
      again ? "cpu" : this.wish,
    );
    this.engine = engine;
    const lost = again
      ? "the graphics device was lost again"
      : "the graphics device was lost and the engine started again";
    this.choice = { ...choice, why: choice.why ? `${lost}; ${choice.why}` : lost };
    this.around.engine(this.choice);
  }

  private files(spots: Spot[]): string[] {
    return [...new Set(spots.flatMap(({ task, level }) => this.model.shards(task, level)))];
  }

  private free(spots: Spot[]): void {
    const wanted = this.files(spots);
    const surplus = this.engine.resident().some((file) => !wanted.includes(file));
    if (surplus) {
      this.engine.retain(wanted);
      this.tellMemory();
    }
  }

  private async fetchAll(files: string[], signal?: AbortSignal): Promise<void> {
    const resident = new Set(this.engine.resident());
    const missing = files.filter((file) => !resident.has(file));
    if (missing.length === 0) return;
    const queue = missing.values();
    const stop = new AbortController();
    const together = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const lane = async () => {
      for (const file of queue) {
        if (together.aborted) throw new Fault("cancelled", "No longer needed.");
        await this.loadOne(file, together);
        await this.settle();
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, lane));
    } catch (error) {
      stop.abort();
      throw error;
    }
  }

  private async loadOne(file: string, signal: AbortSignal): Promise<void> {
    const shard = this.shards.get(file);
    if (!shard) throw new Fault("model", `The model needs ${file} but does not list it.`);
    const { store, progress } = this.around;
    const stored = await store.get(shard.sha256);
    if (stored) {
      const hash = await sha256(stored);
      if (signal.aborted) throw new Fault("cancelled", "No longer needed.");
      try {
        this.engine.insert(file, stored, hash);
        this.stored += stored.length;
        return;
      } catch {
        // Damaged in the store: the server's is still good.
        await store.drop(shard.sha256);
      }
    }
    const bytes = await fetchShard(this.base, shard, progress, signal);
    this.fetched += bytes.length;
    const hash = await sha256(bytes);
    if (signal.aborted) throw new Fault("cancelled", "No longer needed.");
    try {
      this.engine.insert(file, bytes, hash);
    } catch (error) {
      throw Fault.of(error, this.engine.lost() ? "engine" : "shard");
    }
    // Only what the engine has checked is kept, so that a broken download poisons nothing.
    this.unsaved.set(shard.sha256, bytes);
    const waiting = [...this.unsaved.values()].reduce((sum, { length }) => sum + length, 0);
    if (waiting > MOST_UNSAVED) this.save();
  }

  /** Keeps what was fetched for the next visit. Nobody waits for the disk. */
  private save(): void {
    for (const [sha256, bytes] of this.unsaved) void this.around.store.put(sha256, bytes);
    this.unsaved.clear();
  }

  /** Has the engine take what was inserted where it belongs, one call after the other. */
  private async settle(): Promise<void> {
    const mine = this.settling.catch(() => {}).then(() => this.engine.settle());
    this.settling = mine;
    await mine;
    this.tellMemory();
  }

  /** Tells how the level that the visitor looks at runs on the GPU, when there is something new to tell. */
  private tellKernels(spot: Spot): void {
    const { task, level } = this.kept[0] ?? spot;
    const report = this.engine.kernels(task, level);
    const record = this.engine.record();
    if (!report || record === undefined) return;
    const kernels = { task, level, ...report };
    const told = JSON.stringify([kernels, record]);
    if (told === this.toldKernels) return;
    this.toldKernels = told;
    this.around.kernels(kernels, record);
  }

  private tellMemory(): void {
    this.around.memory({
      files: this.engine.resident(),
      bytes: this.engine.residentBytes(),
      activationBytes: this.engine.activationBytes(),
      heapBytes: this.around.surface.heapBytes(),
      fetched: this.fetched,
      stored: this.stored,
    });
  }
}

/** Makes the engine that was asked for, or the best there is, and says why it is that one. */
async function makeEngine(
  around: Surroundings,
  model: Model,
  wish: EngineWish,
): Promise<[Engine, EngineChoice]> {
  const { Engine } = around.surface;
  const done = (engine: Engine, why: string, rival = false, detail = ""): [Engine, EngineChoice] => [
    engine,
    {
      kind: engine.kind as EngineKind,
      adapter: engine.adapter,
      software: engine.software,
      why,
      rival,
      detail,
      build: around.surface.build,
    },
  ];
  if (wish === "cpu") return done(await Engine.cpu(model), "");
  const faster = wish === "auto" ? around.faster : undefined;
  if (around.hasGpu && faster?.kind === "cpu") return done(await Engine.cpu(model), faster.why, true);
  let why = "this browser offers no WebGPU";
  let detail = "";
  if (around.hasGpu) {
    try {
      const engine = await Engine.webgpu(model, around.record);
      if (wish === "webgpu") return done(engine, "");
      if (!engine.software) return done(engine, faster?.why ?? "", true);
      why = `the browser's WebGPU is only imitated in software (${engine.adapter}), which is slower`;
      engine.free();
    } catch (error) {
      why = "WebGPU finds no usable graphics processor";
      detail = Fault.of(error).message;
    }
  }
  try {
    return done(await Engine.cpu(model), why, false, detail);
  } catch (error) {
    throw new Fault("engine", `No engine starts here: ${detail || why}; ${Fault.of(error).message}`);
  }
}
