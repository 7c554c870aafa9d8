import { expect, test } from "vitest";
import {
  accuracy,
  bytes,
  className,
  counted,
  exact,
  many,
  percent,
  questions,
  time,
  worth,
} from "./words.ts";

test("sizes as a person would say them", () => {
  expect([0, 999, 112_345, 999_600, 1_900_000, 29_800_000].map(bytes)).toEqual([
    "0 bytes",
    "999 bytes",
    "110 KB",
    "1 MB",
    "1.9 MB",
    "30 MB",
  ]);
  expect([12, 28_200, 7_400_000].map(many)).toEqual(["12", "28 thousand", "7.4 million"]);
  expect(exact(1234567)).toBe("1\u202f234\u202f567");
  expect(exact(999)).toBe("999");
});

test("times with two or three figures, never finer than they mean something", () => {
  expect([0.123, 4.84, 12.34, 134.2, 999.7, 19_500].map(time)).toEqual([
    "0.12 ms",
    "4.8 ms",
    "12.3 ms",
    "134 ms",
    "1 s",
    "20 s",
  ]);
});

test("shares never round to a certainty that is not there", () => {
  expect([0, 0.001, 0.064, 0.92, 0.9999, 1].map(percent)).toEqual([
    "0 %",
    "under 1 %",
    "6 %",
    "92 %",
    "over 99 %",
    "100 %",
  ]);
  expect([79.31, 86.04].map(accuracy)).toEqual(["79.3 %", "86 %"]);
  const chance = { accuracy: { percent: 9.8 }, untrained: true };
  expect([{ accuracy: { percent: 79.31 } }, chance, {}, undefined].map(worth)).toEqual([
    "79.3 %",
    "not trained",
    "not measured",
    "not measured",
  ]);
});

test("names and counts", () => {
  expect(className("aquarium_fish")).toBe("aquarium fish");
  expect([counted(1, "picture"), counted(2, "picture"), counted(0, "class", "classes")]).toEqual([
    "1 picture",
    "2 pictures",
    "0 classes",
  ]);
  expect([undefined, 1, 2].map(questions)).toEqual([
    "several questions",
    "the same question",
    "2 different questions",
  ]);
});
