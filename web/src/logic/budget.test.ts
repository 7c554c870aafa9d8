import { describe, expect, test } from "vitest";
import type { ModelInfo } from "../worker/surface.ts";
import { blocks, firstUse, levelFor, neighbour, stopFor, stops } from "./budget.ts";

const level = (level: number, parameters: number, units: number[]) => ({
  level,
  units,
  parameters,
  bytes: parameters * 4,
  macs: parameters * 9,
  activation_bytes: 0,
});

const shard = (file: string) => ({ file, bytes: 8, sha256: file });

const info: ModelInfo = {
  name: "small",
  backbone: "wrn-8-1",
  units: [0.5, 0.25, 0.25],
  tasks: [
    {
      name: "few",
      title: "Few",
      classes: ["a", "b"],
      input: { size: 32 },
      order: [1, 2, 3],
      levels: [level(1, 100, [1]), level(2, 250, [1, 2]), level(3, 500, [1, 2, 3])],
    },
    {
      name: "many",
      title: "Many",
      classes: ["a", "b", "c"],
      input: { size: 32 },
      order: [3, 2, 1],
      levels: [level(1, 60, [3]), level(2, 200, [2, 3]), level(3, 510, [1, 2, 3])],
    },
  ],
  shards: [
    shard("stem-1.safetensors"),
    shard("unit-2-1.safetensors"),
    shard("unit-1-1.safetensors"),
    shard("unit-1-2.safetensors"),
    shard("level-1-1.safetensors"),
  ],
};

describe("stops", () => {
  test("every task has the level at its stop", () => {
    const all = stops(info);
    expect(all.map((stop) => stop.parameters)).toEqual([100, 250, 510]);
    for (const stop of all) {
      for (const task of info.tasks) expect(levelFor(task, stop.parameters)).toBe(stop.level);
    }
  });

  test("between stops the level that fits stays", () => {
    const all = stops(info);
    expect(stopFor(all, 249.9).level).toBe(1);
    expect(stopFor(all, 250).level).toBe(2);
    expect(stopFor(all, 0).level).toBe(1);
    expect(stopFor(all, 1e9).level).toBe(3);
  });

  test("arrow keys go from level to level and stop at the ends", () => {
    const all = stops(info);
    expect(neighbour(all, 100, 1).level).toBe(2);
    expect(neighbour(all, 300, 1).level).toBe(3);
    expect(neighbour(all, 300, -1).level).toBe(2);
    expect(neighbour(all, 250, -1).level).toBe(1);
    expect(neighbour(all, 100, -1).level).toBe(1);
    expect(neighbour(all, 100, 3).level).toBe(3);
    expect(neighbour(all, 510, 1).level).toBe(3);
  });

  test("a task whose level does not fit yet stays below", () => {
    const [few, many] = info.tasks;
    expect(few && levelFor(few, 220)).toBe(1);
    expect(many && levelFor(many, 220)).toBe(2);
  });
});

describe("blocks", () => {
  test("come row by row of the unit they lead to", () => {
    expect(blocks(info).map(({ to, from }) => [to, from])).toEqual([
      [1, 1],
      [1, 2],
      [2, 1],
    ]);
  });

  test("are first used by the level that has both units", () => {
    const [few, many] = info.tasks;
    expect(few && firstUse(few, { from: 1, to: 2 })).toBe(2);
    expect(many && firstUse(many, { from: 1, to: 2 })).toBe(3);
    expect(many && firstUse(many, { from: 3, to: 3 })).toBe(1);
    expect(few && firstUse(few, { from: 1, to: 9 })).toBeUndefined();
  });
});
