/**
 * Cosines of centred embeddings. The mean over ordinary text is taken out first: raw encoders point nearly one way
 * for all texts, and only what differs between texts tells whether they collapsed.
 */

export function meanOf(vectors: readonly Float32Array[]): Float32Array {
  const mean = new Float32Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) {
    vector.forEach((value, i) => {
      mean[i] = (mean[i] as number) + value / vectors.length;
    });
  }
  return mean;
}

/** Direction from `centre` to `vector`, unit length; all zero when they meet or a value is not finite. */
export function unitFrom(centre: Float32Array, vector: Float32Array): Float32Array {
  const difference = vector.map((value, i) => value - (centre[i] as number));
  let square = 0;
  for (const value of difference) square += value * value;
  const norm = Math.sqrt(square);
  if (!Number.isFinite(norm) || norm === 0) return difference.fill(0);
  return difference.map((value) => value / norm);
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** Mean cosine over pairs of unit vectors; 0 for fewer than two. */
export function agreement(units: readonly Float32Array[]): number {
  const n = units.length;
  if (n < 2) return 0;
  // |sum|² = number of unit vectors + twice the sum over pairs.
  const sum = meanOf(units);
  const squares = units.reduce((total, unit) => total + dot(unit, unit), 0);
  return (dot(sum, sum) * n * n - squares) / (n * (n - 1));
}
