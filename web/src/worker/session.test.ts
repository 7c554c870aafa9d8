import { beforeEach, describe, expect, test, vi } from "vitest";
import type { EngineChoice, EngineKind, Kernels, Memory } from "./protocol.ts";
import { Session, type Surroundings } from "./session.ts";
import type { ShardStore } from "./shards.ts";
import type { Engine, KernelReport, Model, ModelInfo, Surface } from "./surface.ts";

/** Shards of three bytes each, the first of which says whether they are sound. */
const FILES = ["stem-1", "unit-1-1", "unit-1-2", "unit-2-1", "unit-2-2", "level-1-1", "level-1-2"].map(
  (name) => `${name}.safetensors`,
);

const LEVELS = [
  ["stem-1", "unit-1-1", "level-1-1"],
  ["stem-1", "unit-1-1", "unit-1-2", "unit-2-1", "unit-2-2", "level-1-2"],
].map((level) => level.map((name) => `${name}.safetensors`));

class FakeEngine implements Engine {
  static made: FakeEngine[] = [];
  isLost = false;
  full = false;
  settled: string[] = [];
  private settling = 0;
  private runs = 0;
  private readonly held = new Map<string, Uint8Array>();

  constructor(
    readonly kind: "webgpu" | "cpu",
    public adapter: string,
    readonly software = false,
  ) {
    FakeEngine.made.push(this);
  }

  insert(file: string, bytes: Uint8Array) {
    if (bytes[0] !== 1) throw new Error(`${file} is damaged`);
    this.held.set(file, bytes);
  }
  async settle() {
    this.settling += 1;
    expect(this.settling).toBe(1);
    await Promise.resolve();
    this.settling -= 1;
    if (this.full) throw new Error("the GPU is out of memory");
    this.settled = this.resident();
  }
  retain(files: string[]) {
    for (const file of this.held.keys()) if (!files.includes(file)) this.held.delete(file);
  }
  resident() {
    return [...this.held.keys()];
  }
  residentBytes() {
    return this.held.size * 3;
  }
  activationBytes() {
    return 0;
  }
  async run(_task: number, level: number, _rgb: Uint8Array, images: number) {
    if (this.isLost) throw new Error("the GPU was lost");
    this.runs = 1;
    for (const file of LEVELS[level - 1] ?? [])
      if (!this.held.has(file)) throw new Error(`${file} is not loaded`);
    return new Float32Array(images).fill(level);
  }
  record() {
    return this.kind === "webgpu" ? `{"runs":${this.runs}}` : undefined;
  }
  kernels(): KernelReport | undefined {
    if (this.kind === "cpu") return undefined;
    const stage = { shape: "8 x 8 x 16 to 16", layers: 5, kernel: "tiles", origin: "measured" } as const;
    return { stages: [stage], dispatches: 7, dropped: [] };
  }
  lost() {
    return this.isLost;
  }
  free() {}
}

const info = {
  tasks: [{}],
  shards: FILES.map((file) => ({ file, bytes: 3, sha256: file })),
} as unknown as ModelInfo;

const model: Model = {
  describe: () => info,
  shards: (_task, level) => LEVELS[level - 1] ?? [],
  free() {},
};

let surface: Surface;
let stored: Map<string, Uint8Array>;
let fetched: string[];
let memory: Memory | undefined;
let engines: EngineChoice[];
let kernels: [Kernels, string][];
let server: Map<string, Uint8Array<ArrayBuffer> | undefined>;

function around(change: Partial<Surroundings> = {}): Surroundings {
  const store: ShardStore = {
    get: async (key) => stored.get(key),
    put: async (key, bytes) => void stored.set(key, bytes),
    drop: async (key) => void stored.delete(key),
  };
  return {
    surface,
    store,
    hasGpu: true,
    record: undefined,
    faster: undefined,
    progress: () => {},
    memory: (told) => {
      memory = told;
    },
    kernels: (report, record) => kernels.push([report, record]),
    engine: (choice) => engines.push(choice),
    ...change,
  };
}

/** Makes just one level resident, as the page does. */
async function hold(session: Session, level: number, signal?: AbortSignal) {
  session.keep([{ task: 0, level }]);
  await session.load({ task: 0, level }, signal);
}

const open = (change: Partial<Surroundings> = {}, wish: "auto" | "webgpu" | "cpu" = "auto") =>
  Session.open(around(change), "http://localhost/models/m/", "{}", wish);

beforeEach(() => {
  FakeEngine.made = [];
  stored = new Map();
  fetched = [];
  memory = undefined;
  engines = [];
  kernels = [];
  server = new Map(FILES.map((file) => [file, new Uint8Array([1, 2, 3])]));
  surface = {
    build: "simd",
    startThreads: async () => {},
    Model: { parse: () => model },
    Engine: {
      webgpu: async () => new FakeEngine("webgpu", "A GPU"),
      cpu: async () => new FakeEngine("cpu", "one thread"),
    },
    resize: () => new Uint8Array(),
    heapBytes: () => 65536,
  };
  vi.stubGlobal("fetch", async (address: string) => {
    const file = address.split("/").pop() ?? "";
    fetched.push(file);
    if (!server.has(file)) return new Response("", { status: 404 });
    const bytes = server.get(file);
    if (!bytes) throw new TypeError("failed to fetch");
    return new Response(bytes);
  });
});

describe("what is resident", () => {
  test("going up fetches just what joins, going down frees just that and fetches nothing", async () => {
    const session = await open();
    await hold(session, 1);
    expect(memory?.files.sort()).toEqual([...(LEVELS[0] ?? [])].sort());
    fetched = [];
    await hold(session, 2);
    expect(fetched.sort()).toEqual(
      ["level-1-2", "unit-1-2", "unit-2-1", "unit-2-2"].map((f) => `${f}.safetensors`),
    );
    fetched = [];
    await hold(session, 1);
    expect(memory?.files.sort()).toEqual([...(LEVELS[0] ?? [])].sort());
    expect(memory?.bytes).toBe(9);
    // The level's own part had been freed; it comes from the store.
    expect(fetched).toEqual([]);
    expect(memory?.stored).toBe(3);
  });

  test("nothing goes into the store before all of the level has come", async () => {
    const come: number[] = [];
    const put = async () => void come.push(fetched.length);
    const store = { get: async () => undefined, put, drop: async () => {} };
    await hold(await open({ store }), 1);
    expect(come).toEqual([3, 3, 3]);
  });

  test("a level that is only tried leaves again", async () => {
    const session = await open();
    await hold(session, 1);
    expect(await session.run({ task: 0, level: 2 }, new Uint8Array(), 2)).toEqual(new Float32Array([2, 2]));
    expect(memory?.files.length).toBe(3);
  });
});

describe("what goes wrong", () => {
  test("a GPU that fills up on the way to a level leaves the lower one running", async () => {
    const session = await open();
    await hold(session, 1);
    const [engine] = FakeEngine.made;
    if (!engine) throw new Error("no engine was made");
    expect(engine.settled.sort()).toEqual([...(LEVELS[0] ?? [])].sort());
    engine.full = true;
    const up = session.run({ task: 0, level: 2 }, new Uint8Array(), 1);
    await expect(up).rejects.toMatchObject({ fault: "engine", message: "the GPU is out of memory" });
    expect(engine.resident().sort()).toEqual([...(LEVELS[0] ?? [])].sort());
    expect(await session.run({ task: 0, level: 1 }, new Uint8Array(), 1)).toEqual(new Float32Array([1]));
    engine.full = false;
    await hold(session, 2);
    expect(engine.settled).toHaveLength(6);
  });

  test("a damaged shard is named and never stored; mended, it loads", async () => {
    server.set("unit-1-1.safetensors", new Uint8Array([0, 2, 3]));
    const session = await open();
    await expect(hold(session, 1)).rejects.toMatchObject({
      fault: "shard",
      message: "unit-1-1.safetensors is damaged",
    });
    expect(stored.has("unit-1-1.safetensors")).toBe(false);
    server.set("unit-1-1.safetensors", new Uint8Array([1, 2, 3]));
    await hold(session, 1);
    expect(memory?.files.length).toBe(3);
  });

  test("a shard that went bad in the store is fetched again", async () => {
    stored.set("stem-1.safetensors", new Uint8Array([0]));
    const session = await open();
    await hold(session, 1);
    expect(fetched).toContain("stem-1.safetensors");
    expect(stored.get("stem-1.safetensors")?.[0]).toBe(1);
  });

  test("missing, too long, and off line are told apart", async () => {
    const keep = async () => hold(await open(), 1);
    server.delete("stem-1.safetensors");
    await expect(keep()).rejects.toMatchObject({ fault: "shard", message: expect.stringContaining("404") });
    server.set("stem-1.safetensors", new Uint8Array([1, 2, 3, 4]));
    await expect(keep()).rejects.toMatchObject({
      fault: "shard",
      message: expect.stringContaining("longer"),
    });
    server.set("stem-1.safetensors", undefined);
    await expect(keep()).rejects.toMatchObject({ fault: "offline" });
  });

  test("a lost device is replaced, what was resident is loaded again, and the answer comes", async () => {
    const session = await open();
    await hold(session, 1);
    const [first] = FakeEngine.made;
    if (first) first.isLost = true;
    expect(await session.run({ task: 0, level: 1 }, new Uint8Array(), 1)).toEqual(new Float32Array([1]));
    expect(engines.at(-1)?.why).toContain("lost");
    expect(FakeEngine.made.length).toBe(2);
    expect(memory?.files.length).toBe(3);
  });

  test("a device that is lost again is not asked for a third time: the CPU takes over", async () => {
    const session = await open();
    await hold(session, 1);
    surface.Engine.webgpu = async () => {
      const engine = new FakeEngine("webgpu", "A GPU");
      engine.isLost = true;
      return engine;
    };
    const [first] = FakeEngine.made;
    if (first) first.isLost = true;
    expect(await session.run({ task: 0, level: 1 }, new Uint8Array(), 1)).toEqual(new Float32Array([1]));
    expect(FakeEngine.made.map(({ kind }) => kind)).toEqual(["webgpu", "webgpu", "cpu"]);
    expect(engines.at(-1)).toMatchObject({ kind: "cpu", why: expect.stringContaining("lost again") });
    expect(memory?.files.length).toBe(3);
  });

  test("a load that is no longer wanted stops", async () => {
    const session = await open();
    await expect(hold(session, 2, AbortSignal.abort())).rejects.toMatchObject({
      fault: "cancelled",
    });
  });
});

describe("kernels", () => {
  test("how a level runs on the GPU is told once, with what to keep for the next visit", async () => {
    const session = await open();
    await hold(session, 1);
    await session.run({ task: 0, level: 1 }, new Uint8Array(), 1);
    await session.run({ task: 0, level: 1 }, new Uint8Array(), 1);
    expect(kernels).toEqual([
      [expect.objectContaining({ task: 0, level: 1, dispatches: 7, dropped: [] }), '{"runs":1}'],
    ]);
  });

  test("what an earlier visit measured reaches the engine, and after a loss what this one did", async () => {
    const given: (string | undefined)[] = [];
    surface.Engine.webgpu = async (_model, record) => {
      given.push(record);
      return new FakeEngine("webgpu", "A GPU");
    };
    const session = await open({ record: "{}" });
    await hold(session, 1);
    await session.run({ task: 0, level: 1 }, new Uint8Array(), 1);
    const [first] = FakeEngine.made;
    if (first) first.isLost = true;
    await session.run({ task: 0, level: 1 }, new Uint8Array(), 1);
    expect(given).toEqual(["{}", '{"runs":1}']);
  });

  test("there is nothing to tell of the CPU", async () => {
    const session = await open({}, "cpu");
    await session.run({ task: 0, level: 1 }, new Uint8Array(), 1);
    expect(kernels).toEqual([]);
  });
});

describe("which engine", () => {
  test("the GPU where there is one, without excuses", async () => {
    expect((await open()).choice).toEqual({
      kind: "webgpu",
      adapter: "A GPU",
      software: false,
      why: "",
      rival: true,
      detail: "",
      build: "simd",
    });
  });

  test("the one that was measured to be faster, unless the visitor asks for the other", async () => {
    const faster = (kind: EngineKind) => ({ faster: { kind, why: `${kind} is faster` } });
    expect((await open(faster("cpu"))).choice).toMatchObject({
      kind: "cpu",
      why: "cpu is faster",
      rival: true,
    });
    expect(FakeEngine.made.map((engine) => engine.kind)).toEqual(["cpu"]);
    expect((await open(faster("webgpu"))).choice).toMatchObject({
      kind: "webgpu",
      why: "webgpu is faster",
      rival: true,
    });
    expect((await open(faster("cpu"), "webgpu")).choice).toMatchObject({
      kind: "webgpu",
      why: "",
      rival: false,
    });
    expect((await open(faster("webgpu"), "cpu")).choice).toMatchObject({
      kind: "cpu",
      why: "",
      rival: false,
    });
    // A graphics processor that is no longer there is no rival.
    expect((await open({ ...faster("cpu"), hasGpu: false })).choice).toMatchObject({
      kind: "cpu",
      why: expect.stringContaining("no WebGPU"),
      rival: false,
    });
  });

  test("the CPU with the reason where there is none, where it fails, and where it is imitated", async () => {
    expect((await open({ hasGpu: false })).choice).toMatchObject({
      kind: "cpu",
      why: expect.stringContaining("no WebGPU"),
    });
    surface.Engine.webgpu = async () => {
      throw new Error("the driver is blocked");
    };
    expect((await open()).choice.detail).toBe("the driver is blocked");
    surface.Engine.webgpu = async () => new FakeEngine("webgpu", "SwiftShader", true);
    expect((await open()).choice).toMatchObject({ kind: "cpu", why: expect.stringContaining("SwiftShader") });
  });

  test("the CPU's threads start after the first answer, and the page is told", async () => {
    let starts = 0;
    surface.startThreads = async () => {
      starts += 1;
      for (const engine of FakeEngine.made) engine.adapter = "two threads";
    };
    const session = await open({}, "cpu");
    expect(session.choice.adapter).toBe("one thread");
    expect(starts).toBe(0);
    await session.run({ task: 0, level: 1 }, new Uint8Array(), 1);
    await session.time({ task: 0, level: 1 }, new Uint8Array());
    expect(engines.map((choice) => choice.adapter)).toEqual(["two threads"]);
    session.close();
  });

  test("the GPU needs no threads of the CPU", async () => {
    surface.startThreads = async () => {
      throw new Error("not asked for");
    };
    const session = await open();
    expect(await session.run({ task: 0, level: 1 }, new Uint8Array(), 1)).toEqual(new Float32Array([1]));
  });

  test("what the visitor asks for", async () => {
    surface.Engine.webgpu = async () => new FakeEngine("webgpu", "SwiftShader", true);
    expect((await open({}, "webgpu")).choice).toMatchObject({ kind: "webgpu", why: "" });
    expect((await open({}, "cpu")).choice).toMatchObject({ kind: "cpu", why: "" });
  });

  test("a description that cannot be read is the model's fault", async () => {
    surface.Model.parse = () => {
      throw new Error("version 2 is unknown");
    };
    await expect(open()).rejects.toMatchObject({ fault: "model", message: "version 2 is unknown" });
  });
});
