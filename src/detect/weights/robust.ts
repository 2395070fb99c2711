/** Median-based location and scale, which a few planted outliers cannot move. */

/** Makes the median absolute deviation estimate a Gaussian's standard deviation. */
const GAUSSIAN_SCALE = 1.4826;

export interface RobustScale {
  readonly median: number;
  /** In standard deviations' units; 0 when over half of the values are equal. */
  readonly scale: number;
}

export function robustScale(values: Float64Array): RobustScale {
  const centre = medianOf(Float64Array.from(values));
  const scale = GAUSSIAN_SCALE * medianOf(values.map((value) => Math.abs(value - centre)));
  return { median: centre, scale };
}

/** Sorts its argument. 0 for no values. */
function medianOf(values: Float64Array): number {
  if (values.length === 0) return 0;
  values.sort();
  const upper = values[values.length >> 1] as number;
  if (values.length % 2 === 1) return upper;
  return (upper + (values[(values.length >> 1) - 1] as number)) / 2;
}

export interface Ranked {
  readonly index: number;
  readonly value: number;
  /** 0 for all when the scale is 0. */
  readonly robustZ: number;
}

/** The `limit` entries farthest above the median, farthest first; ties by index. */
export function outliers(values: Float64Array, minZ: number, limit: number): Ranked[] {
  const { median, scale } = robustScale(values);
  if (scale === 0) return [];
  const ranked: Ranked[] = [];
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number;
    const robustZ = (value - median) / scale;
    if (robustZ >= minZ) ranked.push({ index, value, robustZ });
  }
  ranked.sort((a, b) => b.robustZ - a.robustZ || a.index - b.index);
  return ranked.slice(0, limit);
}
