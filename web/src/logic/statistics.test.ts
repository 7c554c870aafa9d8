import { describe, expect, test } from "vitest";
import { quantile, timing, top, wilson } from "./statistics.ts";

test("quantiles interpolate as numpy's do", () => {
  expect(quantile([3, 1, 2], 0.5)).toBe(2);
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([1, 2, 3, 4], 0.25)).toBeCloseTo(1.75);
  expect(quantile([7], 0.95)).toBe(7);
  expect(quantile([], 0.5)).toBeNaN();
});

test("a timing has its middle half around the median", () => {
  const { median, low, high, p95, runs } = timing([5, 1, 2, 4, 3]);
  expect([median, low, high, runs]).toEqual([3, 2, 4, 5]);
  expect(p95).toBeCloseTo(4.8);
});

describe("Wilson's interval", () => {
  // The expected values are R's: prop.test(x, n, correct = FALSE).
  test.each([
    [8, 10, 0.4901625, 0.9433178],
    [0, 10, 0, 0.2775328],
    [10, 10, 0.7224672, 1],
    [50, 100, 0.4038315, 0.5961685],
  ])("%i of %i", (right, total, low, high) => {
    const found = wilson(right, total);
    expect(found[0]).toBeCloseTo(low, 5);
    expect(found[1]).toBeCloseTo(high, 5);
  });

  test("of nothing says nothing", () => {
    expect(wilson(0, 0)).toEqual([0, 1]);
  });
});

test("the top comes largest first, of equal ones the earlier", () => {
  expect(top(new Float32Array([0.1, 0.5, 0.1, 0.3]), 3)).toEqual([1, 3, 0]);
  expect(top([], 5)).toEqual([]);
});
