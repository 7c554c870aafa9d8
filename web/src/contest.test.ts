import { beforeEach, expect, test, vi } from "vitest";
import type { Client } from "./client.ts";
import { Contest, type Running } from "./contest.ts";
import { type Timing, timing } from "./logic/statistics.ts";
import type { Stopwatch } from "./measuring.ts";
import type { EngineKind, Spot, ToWorker } from "./worker/protocol.ts";
import type { ModelInfo } from "./worker/surface.ts";

/** Opens whatever it is asked for, unless it has no such engine. */
class FakeWorker {
  static made: FakeWorker[] = [];
  static gpu = true;
  wished: string | undefined;
  ended = false;
  private listener: (event: { data: unknown }) => void = () => {};

  constructor() {
    FakeWorker.made.push(this);
  }
  addEventListener(kind: string, listener: (event: { data: unknown }) => void) {
    if (kind === "message") this.listener = listener;
  }
  postMessage(message: ToWorker) {
    if (message.kind !== "open") return;
    this.wished = message.engine;
    const kind = message.engine === "webgpu" && !FakeWorker.gpu ? "cpu" : message.engine;
    this.listener({ data: { kind: "kernels", record: "measured", kernels: {} } });
    this.listener({ data: { kind: "result", id: message.id, result: { info, engine: { kind } } } });
  }
  terminate() {
    this.ended = true;
  }
}

const level = (level: number, macs: number) => ({ level, macs });
const info = {
  tasks: [
    { title: "CIFAR-10", levels: [level(1, 10), level(2, 40)] },
    { title: "CIFAR-100", levels: [level(1, 11), level(2, 41)] },
  ],
} as unknown as ModelInfo;

const spot = (level: number): Spot => ({ task: 0, level });
const rgb = () => new Uint8Array();
let storage: Map<string, string>;
let rival: (signal: AbortSignal) => Promise<Timing>;

const stopwatch = {
  time: (_client: Client, _spot: Spot, _rgb: Uint8Array, signal: AbortSignal) => rival(signal),
} as unknown as Stopwatch;

const running = (kind: EngineKind, milliseconds: number): Running => ({
  kind,
  base: "http://localhost/models/m/",
  info,
  timing: () => timing([milliseconds]),
});

const hold = (how: Running, spots: Spot[], signal = new AbortController().signal) =>
  new Contest(stopwatch).hold(how, spots, rgb, signal);

beforeEach(() => {
  FakeWorker.made = [];
  FakeWorker.gpu = true;
  storage = new Map();
  rival = async () => timing([5]);
  vi.stubGlobal("Worker", FakeWorker);
  vi.stubGlobal("navigator", { userAgent: "Browser 1" });
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, text: string) => storage.set(key, text),
  });
});

test("the other engine runs in a worker of its own, the faster one wins, and the next visit knows", async () => {
  const [verdict, on, other] = (await hold(running("webgpu", 20), [spot(1)])) ?? [];
  expect(verdict).toMatchObject({ kind: "cpu", macs: 10, why: expect.stringContaining("CIFAR-10, level 1") });
  expect(on).toEqual(spot(1));
  expect(other?.median).toBe(5);
  expect(FakeWorker.made).toMatchObject([{ wished: "cpu", ended: true }]);
  expect(new Contest(stopwatch).verdict(running("cpu", 5).base)).toEqual(verdict);
  expect(storage.get("dvn-kernels")).toBe("measured");
});

test("the largest level decides, and is measured once", async () => {
  const second = { task: 1, level: 2 };
  await hold(running("webgpu", 20), [spot(1)]);
  expect(await hold(running("cpu", 5), [spot(1)])).toBeUndefined();
  rival = async () => timing([8]);
  const [verdict, on] = (await hold(running("cpu", 30), [spot(2), second])) ?? [];
  expect(on).toEqual(second);
  expect(verdict).toMatchObject({ kind: "webgpu", macs: 41 });
  expect(FakeWorker.made.map((worker) => worker.wished)).toEqual(["cpu", "webgpu"]);
  expect(await hold(running("webgpu", 8), [spot(2)])).toBeUndefined();
});

test("a model that has changed under its name is measured again", async () => {
  await hold(running("webgpu", 20), [spot(2)]);
  const changed = {
    tasks: [{ title: "CIFAR-10", levels: [level(1, 3), level(2, 12)] }],
  } as unknown as ModelInfo;
  expect(await hold({ ...running("webgpu", 20), info: changed }, [spot(1)])).toBeDefined();
});

test("an engine that does not start is no rival, and leaves no worker behind", async () => {
  FakeWorker.gpu = false;
  expect(await hold(running("cpu", 20), [spot(1)])).toBeUndefined();
  expect(FakeWorker.made).toMatchObject([{ wished: "webgpu", ended: true }]);
  expect(storage.has("dvn-faster")).toBe(false);
});

test("a visitor who moves on ends it", async () => {
  const moving = new AbortController();
  rival = (signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("cancelled"))));
  const held = hold(running("webgpu", 20), [spot(1)], moving.signal);
  await vi.waitFor(() => expect(FakeWorker.made).toHaveLength(1));
  moving.abort();
  await expect(held).rejects.toThrow();
  expect(FakeWorker.made[0]?.ended).toBe(true);
  expect(storage.has("dvn-faster")).toBe(false);
});

test("a level that was not timed on the engine that runs is not measured on the other", async () => {
  expect(await hold({ ...running("webgpu", 20), timing: () => undefined }, [spot(1)])).toBeUndefined();
  expect(FakeWorker.made).toEqual([]);
});
