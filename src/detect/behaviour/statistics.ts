/** Exact and interval statistics of counts. */
import type { Rate } from '../../evidence/evidence.ts';

const Z95 = 1.959963984540054;

/** Wilson score interval at 95 % (Wilson 1927). */
export function wilson(hits: number, trials: number): Rate {
  if (trials === 0) return { hits: 0, trials: 0, rate: 0, low: 0, high: 1 };
  const p = hits / trials;
  const z2 = Z95 ** 2 / trials;
  const centre = (p + z2 / 2) / (1 + z2);
  const half = (Z95 * Math.sqrt((p * (1 - p)) / trials + z2 / (4 * trials))) / (1 + z2);
  return {
    hits,
    trials,
    rate: p,
    low: Math.max(0, centre - half),
    high: Math.min(1, centre + half),
  };
}

/** One-sided Fisher exact test: probability of at least `hitsA` of `trialsA` when both share one rate. */
export function fisherGreater(
  hitsA: number,
  trialsA: number,
  hitsB: number,
  trialsB: number,
): number {
  const hits = hitsA + hitsB;
  const most = Math.min(hits, trialsA);
  const whole = logChoose(trialsA + trialsB, hits);
  let p = 0;
  for (let x = hitsA; x <= most; x++) {
    p += Math.exp(logChoose(trialsA, x) + logChoose(trialsB, hits - x) - whole);
  }
  return Math.min(1, p);
}

function logChoose(n: number, k: number): number {
  if (k < 0 || k > n) return Number.NEGATIVE_INFINITY;
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

const factorials: number[] = [0];

function logFactorial(n: number): number {
  for (let i = factorials.length; i <= n; i++) {
    factorials.push((factorials[i - 1] as number) + Math.log(i));
  }
  return factorials[n] as number;
}
