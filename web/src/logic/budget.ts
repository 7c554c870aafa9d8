// What a memory budget buys.

import type { Spot } from "../worker/protocol.ts";
import type { ModelInfo, TaskInfo } from "../worker/surface.ts";

/** A parameter is one 32-bit float. */
export const BYTES_PER_PARAMETER = 4;

/** A stop of the slider: what the budget is worth moving to. */
export interface Stop {
  /** The level that every task has with it. */
  levels: number[];
  parameters: number;
}

/** The stops of the slider, smallest first: the levels, or, where the tasks share the budget, their best combinations. */
export function stops(info: ModelInfo, sharing: boolean): Stop[] {
  if (sharing) return info.together;
  const deepest = Math.min(...info.tasks.map((task) => task.levels.length));
  return Array.from({ length: deepest }, (_, index) => ({
    levels: info.tasks.map(() => index + 1),
    parameters: Math.max(...info.tasks.map((task) => task.levels[index]?.parameters ?? 0)),
  }));
}

/** Whether the tasks of a model can share a budget. */
export function canShare(info: ModelInfo | undefined): boolean {
  return info !== undefined && info.tasks.length > 1 && info.together.length > 0;
}

/** The level of every task that a budget buys, for each alone or for all of them together. */
export function levelsFor(info: ModelInfo, parameters: number, sharing: boolean): number[] {
  if (sharing) return stopFor(info.together, parameters).levels;
  return info.tasks.map((task) => levelFor(task, parameters));
}

/** The largest level of a task that fits into a budget; level 1 when not even that does. */
export function levelFor(task: TaskInfo, parameters: number): number {
  const fitting = task.levels.filter((level) => level.parameters <= parameters);
  return fitting.at(-1)?.level ?? 1;
}

/** The stop that a budget reaches. */
export function stopFor<S extends Stop>(all: readonly S[], parameters: number): S {
  const reached = all.filter((stop) => stop.parameters <= parameters).at(-1) ?? all[0];
  if (!reached) throw new Error("a model has at least one level");
  return reached;
}

/** The stop `steps` further up (or down, below zero), as the arrow keys go. */
export function neighbour(all: readonly Stop[], parameters: number, steps: number): Stop {
  const here = stopFor(all, parameters);
  // Going down from between two stops means to the one below, which is the one that fits already.
  const between = parameters > here.parameters && steps < 0 ? 1 : 0;
  const index = all.indexOf(here) + steps + between;
  return all[Math.max(0, Math.min(all.length - 1, index))] as Stop;
}

/** The stop that gives a task a level, or the first that gives it a higher one. */
export function stopAt(all: readonly Stop[], task: number, level: number): Stop | undefined {
  const at = (stop: Stop) => stop.levels[task] ?? 0;
  return all.find((stop) => at(stop) === level) ?? all.find((stop) => at(stop) > level);
}

/** A block of weights, from one unit's maps to another's (1-based). */
export interface Block {
  from: number;
  to: number;
  file: string;
  bytes: number;
  sha256: string;
}

/** The k x k blocks of shared weights, row by row of the unit they lead to. */
export function blocks(info: ModelInfo): Block[] {
  return info.shards
    .flatMap((shard) => {
      const name = /^unit-(\d+)-(\d+)\.safetensors$/.exec(shard.file);
      return name ? [{ ...shard, to: Number(name[1]), from: Number(name[2]) }] : [];
    })
    .sort((a, b) => a.to - b.to || a.from - b.from);
}

/** The first level of a task that uses a block. */
export function firstUse(task: TaskInfo, block: Pick<Block, "from" | "to">): number | undefined {
  return task.levels.find((level) => level.units.includes(block.from) && level.units.includes(block.to))
    ?.level;
}

/** The tasks among these levels that use a block. */
export function users(info: ModelInfo, spots: readonly Spot[], block: Pick<Block, "from" | "to">): number[] {
  return spots
    .filter(({ task, level }) => {
      const first = info.tasks[task] && firstUse(info.tasks[task], block);
      return first !== undefined && first <= level;
    })
    .map(({ task }) => task);
}
