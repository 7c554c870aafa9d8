import { describe, expect, test } from "vitest";
import type { ModelInfo } from "../worker/surface.ts";
import {
  blocks,
  canShare,
  firstUse,
  levelFor,
  levelsFor,
  neighbour,
  stopAt,
  stopFor,
  stops,
  users,
} from "./budget.ts";

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
  together: [
    { levels: [1, 1], parameters: 160, bytes: 640 },
    { levels: [1, 2], parameters: 290, bytes: 1160 },
    { levels: [3, 3], parameters: 540, bytes: 2160 },
  ],
};

describe("stops", () => {
  test("every task has the level at its stop", () => {
    const all = stops(info, false);
    expect(all.map((stop) => stop.parameters)).toEqual([100, 250, 510]);
    for (const stop of all) {
      for (const task of info.tasks) expect(levelFor(task, stop.parameters)).toBe(stop.levels[0]);
    }
  });

  test("between stops the level that fits stays", () => {
    const all = stops(info, false);
    expect(stopFor(all, 249.9).levels[0]).toBe(1);
    expect(stopFor(all, 250).levels[0]).toBe(2);
    expect(stopFor(all, 0).levels[0]).toBe(1);
    expect(stopFor(all, 1e9).levels[0]).toBe(3);
  });

  test("arrow keys go from level to level and stop at the ends", () => {
    const all = stops(info, false);
    expect(neighbour(all, 100, 1).levels[0]).toBe(2);
    expect(neighbour(all, 300, 1).levels[0]).toBe(3);
    expect(neighbour(all, 300, -1).levels[0]).toBe(2);
    expect(neighbour(all, 250, -1).levels[0]).toBe(1);
    expect(neighbour(all, 100, -1).levels[0]).toBe(1);
    expect(neighbour(all, 100, 3).levels[0]).toBe(3);
    expect(neighbour(all, 510, 1).levels[0]).toBe(3);
  });

  test("a task whose level does not fit yet stays below", () => {
    const [few, many] = info.tasks;
    expect(few && levelFor(few, 220)).toBe(1);
    expect(many && levelFor(many, 220)).toBe(2);
  });
});

describe("a budget that all tasks share", () => {
  test("stops at the combinations, and buys the last that fits", () => {
    expect(stops(info, true)).toEqual(info.together);
    expect([0, 160, 289, 290, 539, 1e9].map((budget) => levelsFor(info, budget, true))).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
      [1, 2],
      [1, 2],
      [3, 3],
    ]);
    expect(levelsFor(info, 220, false)).toEqual([1, 2]);
  });

  test("a level of one task is at the first stop that has it, or a higher one", () => {
    expect(stopAt(info.together, 0, 1)?.parameters).toBe(160);
    expect(stopAt(info.together, 1, 2)?.parameters).toBe(290);
    expect(stopAt(info.together, 0, 2)?.parameters).toBe(540);
    expect(stopAt(info.together, 0, 4)).toBeUndefined();
  });

  test("is for several tasks that have combinations", () => {
    expect(canShare(info)).toBe(true);
    expect(canShare({ ...info, together: [] })).toBe(false);
    expect(canShare({ ...info, tasks: info.tasks.slice(0, 1) })).toBe(false);
    expect(canShare(undefined)).toBe(false);
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

  test("are used by the tasks whose level has both units", () => {
    const spots = [
      { task: 0, level: 2 },
      { task: 1, level: 2 },
    ];
    expect(users(info, spots, { from: 2, to: 2 })).toEqual([0, 1]);
    expect(users(info, spots, { from: 1, to: 2 })).toEqual([0]);
    expect(users(info, spots, { from: 1, to: 3 })).toEqual([]);
  });
});
