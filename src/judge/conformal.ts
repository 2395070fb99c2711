/**
 * Split conformal prediction over the scores of clean models (Vovk, Gammerman and Shafer, 2005). All of it holds for
 * one new clean model that is exchangeable with the calibration models, on average over both.
 */

/** Absorbs the rounding of `(n + 1) * alpha`; no ratio of whole numbers this close to another is meant. */
const ROUNDING = 1e-9;

/**
 * Which of `models` sorted scores, counted from 1, bounds the false-alarm rate by `alpha`: ceil((n + 1)(1 - alpha)).
 * @returns undefined when there are too few models for `alpha`
 */
export function conformalRank(models: number, alpha: number): number | undefined {
  const rank = models + 1 - Math.floor((models + 1) * alpha + ROUNDING);
  return rank >= 1 && rank <= models ? rank : undefined;
}

/** The rate that calling everything above the score of this rank suspicious stays within. */
export function rateOfRank(models: number, rank: number): number {
  return (models + 1 - rank) / (models + 1);
}

/** The lowest false-alarm rate that this many models can certify. */
export function lowestAlpha(models: number): number {
  return 1 / (models + 1);
}

/** How many models are needed to certify `alpha`. */
export function modelsNeeded(alpha: number): number {
  return Math.max(1, Math.ceil(1 / alpha - 1 - ROUNDING));
}

/**
 * The share that a value would have among clean models: (1 + clean scores at or above it) / (n + 1).
 * @param scores of the clean models for which there was one; the other `models` lie below everything
 */
export function conformalPValue(value: number, scores: readonly number[], models: number): number {
  const atLeast = scores.filter((score) => score >= value).length;
  return (1 + atLeast) / (models + 1);
}

/** The next double: `x >= nextAbove(q)` is `x > q`. */
export function nextAbove(value: number): number {
  if (!Number.isFinite(value)) return value;
  if (value === 0) return Number.MIN_VALUE;
  const bits = new BigInt64Array(new Float64Array([value]).buffer);
  bits[0] = (bits[0] ?? 0n) + (value > 0 ? 1n : -1n);
  return new Float64Array(bits.buffer)[0] ?? value;
}
