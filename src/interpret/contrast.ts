/**
 * Features that tell two sets of prompts apart, ranked by the area under the ROC curve, with a rank-sum test and
 * the Benjamini-Hochberg correction over all features.
 */
import type { PromptFeatures } from './prompt-features.ts';

export interface ContrastedFeature {
  readonly label: string;
  /** Probability that a prompt of the first set fires it more strongly than one of the second; ties count half. */
  readonly auc: number;
  /** Two-sided rank-sum test, normal approximation with tie correction. */
  readonly pValue: number;
  /** Expected share of false discoveries among the features at or above this one. */
  readonly qValue: number;
  readonly firstMean: number;
  readonly secondMean: number;
  /** Share of prompts in which it fires at all. */
  readonly firstShare: number;
  readonly secondShare: number;
}

/** Sorted by distance of the AUC from one half, largest first. */
export function contrastFeatures(
  first: PromptFeatures,
  second: PromptFeatures,
): ContrastedFeature[] {
  const labels = [...new Set([...first.maxima.keys(), ...second.maxima.keys()])].sort();
  const measured = labels.map((label) => {
    const a = first.maxima.get(label) ?? new Float32Array(first.prompts);
    const b = second.maxima.get(label) ?? new Float32Array(second.prompts);
    return { label, ...rankSum(a, b), ...describe(a, b) };
  });
  const byP = [...measured].sort((a, b) => a.pValue - b.pValue || (a.label < b.label ? -1 : 1));
  const qValues = new Map<string, number>();
  let smallest = 1;
  for (let i = byP.length - 1; i >= 0; i--) {
    const { label, pValue } = byP[i] as (typeof byP)[number];
    smallest = Math.min(smallest, (pValue * byP.length) / (i + 1));
    qValues.set(label, smallest);
  }
  return measured
    .map((entry) => ({ ...entry, qValue: qValues.get(entry.label) ?? 1 }))
    .sort(
      (a, b) =>
        Math.abs(b.auc - 0.5) - Math.abs(a.auc - 0.5) ||
        a.pValue - b.pValue ||
        (a.label < b.label ? -1 : 1),
    );
}

function describe(a: Float32Array, b: Float32Array) {
  const mean = (values: Float32Array) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const share = (values: Float32Array) =>
    values.filter((value) => value > 0).length / Math.max(1, values.length);
  return {
    firstMean: mean(a),
    secondMean: mean(b),
    firstShare: share(a),
    secondShare: share(b),
  };
}

/** Mann and Whitney's U as an AUC, and its two-sided p-value. */
export function rankSum(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): { readonly auc: number; readonly pValue: number } {
  const n = a.length;
  const m = b.length;
  if (n === 0 || m === 0) return { auc: 0.5, pValue: 1 };
  const all = [
    ...Array.from(a, (value) => ({ value, isFirst: true })),
    ...Array.from(b, (value) => ({ value, isFirst: false })),
  ].sort((x, y) => x.value - y.value);
  let ranks = 0;
  let ties = 0;
  for (let start = 0; start < all.length; ) {
    let end = start;
    while (end < all.length && all[end]?.value === all[start]?.value) end++;
    const rank = (start + 1 + end) / 2;
    const count = end - start;
    ties += count ** 3 - count;
    for (let i = start; i < end; i++) if (all[i]?.isFirst === true) ranks += rank;
    start = end;
  }
  const total = n + m;
  const auc = (ranks - (n * (n + 1)) / 2) / (n * m);
  const variance = ((n * m) / 12) * (total + 1 - ties / (total * (total - 1)));
  if (!(variance > 0)) return { auc, pValue: 1 };
  const distance = Math.max(0, Math.abs(auc * n * m - (n * m) / 2) - 0.5);
  return { auc, pValue: Math.min(1, 2 * upperTail(distance / Math.sqrt(variance))) };
}

/** P(Z > z) for z >= 0 (Abramowitz and Stegun 7.1.26, error below 1.5e-7). */
function upperTail(z: number): number {
  const x = z / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return 0.5 * poly * Math.exp(-x * x);
}
