import assert from "node:assert/strict";
import { test } from "node:test";
import { difference } from "./compare.js";

const LOGITS = [1, 2, 4, -1, 0, 3];

function softmax(logits) {
  const powers = logits.map(Math.exp);
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

const PROBABILITIES = [...softmax(LOGITS.slice(0, 3)), ...softmax(LOGITS.slice(3))];

test("the same logits do not differ, whatever an image's softmax takes away", () => {
  assert.ok(difference(LOGITS, PROBABILITIES, 3, true) < 1e-12);
  assert.ok(difference(PROBABILITIES, PROBABILITIES, 3, false) < 1e-12);
  const shifted = LOGITS.map((logit, at) => logit + (at < 3 ? 7 : -2));
  assert.ok(difference(shifted, PROBABILITIES, 3, true) < 1e-12);
});

test("a difference is relative to the logits' size", () => {
  const scaled = LOGITS.map((logit) => 1.01 * logit);
  assert.ok(Math.abs(difference(scaled, PROBABILITIES, 3, true) - 0.01) < 1e-9);
});

test("outputs of another number, or none at all, are no answer", () => {
  assert.equal(difference(LOGITS.slice(3), PROBABILITIES, 3, true), Number.POSITIVE_INFINITY);
  assert.ok(!(difference([Number.NaN, 2, 4, -1, 0, 3], PROBABILITIES, 3, true) <= 1));
});

test("classes whose probability vanished are left out", () => {
  const logits = [0, 1, -200];
  assert.ok(difference([0, 1, -90], softmax(logits), 3, true) < 1e-9);
});
