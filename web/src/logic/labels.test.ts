import { expect, test } from "vitest";
import { findClass, score } from "./labels.ts";

test("finds a class by the name a person gave a folder", () => {
  const classes = ["cat", "aquarium_fish", "bus", "bee"];
  expect(findClass(classes, "Cats")).toBe(0);
  expect(findClass(classes, "Aquarium Fish")).toBe(1);
  expect(findClass(classes, "bus")).toBe(2);
  expect(findClass(classes, "dog")).toBeUndefined();
  expect(findClass(classes, "  ")).toBeUndefined();
});

test("scores only what was answered and has a truth", () => {
  const sure = (index: number) => [0, 1, 2].map((at) => (at === index ? 0.8 : 0.1));
  const { right, total, low, high } = score([
    { probabilities: sure(0), truth: 0 },
    { probabilities: sure(1), truth: 2 },
    { probabilities: sure(2), truth: 2 },
    { probabilities: undefined, truth: 1 },
    { probabilities: sure(1), truth: undefined },
  ]);
  expect([right, total]).toEqual([2, 3]);
  expect(low).toBeGreaterThan(0);
  expect(low).toBeLessThan(2 / 3);
  expect(high).toBeGreaterThan(2 / 3);
});
