// The few statistics the page needs.

/** The value below which a share `q` of the sample lies, by linear interpolation; NaN for an empty sample. */
export function quantile(sample: readonly number[], q: number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const at = q * (sorted.length - 1);
  const below = sorted[Math.floor(at)] as number;
  const above = sorted[Math.ceil(at)] as number;
  return below + (above - below) * (at - Math.floor(at));
}

/** Times of repeated runs, in milliseconds. */
export interface Timing {
  median: number;
  /** The middle half lies between these. */
  low: number;
  high: number;
  p95: number;
  runs: number;
}

/** Sums up the runs of a measurement. */
export function timing(sample: readonly number[]): Timing {
  return {
    median: quantile(sample, 0.5),
    low: quantile(sample, 0.25),
    high: quantile(sample, 0.75),
    p95: quantile(sample, 0.95),
    runs: sample.length,
  };
}

/** Wilson's 95 % score interval of a proportion, as shares; [0, 1] when there is nothing to go by. */
export function wilson(right: number, total: number): [number, number] {
  if (total === 0) return [0, 1];
  const z = 1.959964;
  const share = right / total;
  const centre = share + (z * z) / (2 * total);
  const half = z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total));
  const scale = 1 + (z * z) / total;
  return [Math.max(0, (centre - half) / scale), Math.min(1, (centre + half) / scale)];
}

/** The indices of the largest values, the largest first; of equal ones the earlier. */
export function top(values: ArrayLike<number>, count: number): number[] {
  return Array.from(values, (_, index) => index)
    .sort((a, b) => (values[b] as number) - (values[a] as number) || a - b)
    .slice(0, count);
}
