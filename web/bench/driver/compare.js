// Whether an engine computes what it should.

/** The largest relative difference that counts as rounding. */
export const TOLERANCE = 1e-3;

/** Probabilities below this one say nothing exact of their logits any more. */
const SMALLEST = 1e-30;

/**
 * How far an engine's outputs are from the reference's probabilities: ||a - b|| / ||b|| of the logits, each image's less
 * their mean, which is all that probabilities tell of them.
 *
 * @param {number[]} found Logits, or probabilities unless `logits`; images x classes.
 * @param {number[]} reference Probabilities, images x classes.
 */
export function difference(found, reference, classes, logits) {
  if (found.length !== reference.length) return Number.POSITIVE_INFINITY;
  let apart = 0;
  let size = 0;
  for (let at = 0; at < reference.length; at += classes) {
    const kept = Array.from({ length: classes }, (_, c) => at + c).filter((i) => reference[i] >= SMALLEST);
    const a = centred(kept.map((i) => (logits ? found[i] : Math.log(found[i]))));
    const b = centred(kept.map((i) => Math.log(reference[i])));
    for (const [i, value] of b.entries()) {
      apart += (a[i] - value) ** 2;
      size += value ** 2;
    }
  }
  return Math.sqrt(apart / size);
}

function centred(values) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.map((value) => value - mean);
}
