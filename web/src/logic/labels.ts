// What a picture truly shows, and how often a level is right about it.

import type { TaskInfo } from "../worker/surface.ts";
import { top, wilson } from "./statistics.ts";

/** Finds a class by a name a person may have written: "Aquarium Fish" is "aquarium_fish". */
export function findClass(classes: readonly string[], name: string): number | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const wanted = plain(name);
  if (!wanted) return undefined;
  const found = classes.findIndex((candidate) => plain(candidate) === wanted);
  // A folder is often named in the plural.
  const singular = found < 0 ? classes.findIndex((candidate) => `${plain(candidate)}s` === wanted) : found;
  return singular < 0 ? undefined : singular;
}

/** The true classes of a picture by task, from the name of its folder or its label. */
export function labelsFor(tasks: readonly TaskInfo[], name: string): (number | undefined)[] {
  return tasks.map((task) => findClass(task.classes, name));
}

/** How often a level was right. */
export interface Score {
  right: number;
  total: number;
  /** Wilson's 95 % interval, as shares. */
  low: number;
  high: number;
}

/** Counts right answers; what has no answer yet, or no known truth, does not count. */
export function score(
  answers: Iterable<{ probabilities: ArrayLike<number> | undefined; truth: number | undefined }>,
): Score {
  let right = 0;
  let total = 0;
  for (const { probabilities, truth } of answers) {
    if (!probabilities || truth === undefined) continue;
    total += 1;
    if (top(probabilities, 1)[0] === truth) right += 1;
  }
  const [low, high] = wilson(right, total);
  return { right, total, low, high };
}
