/** Watches chosen features over prompts: logs how strongly each fires and alarms above a threshold. */
import { ScanError } from '../errors.ts';
import type { PromptFeatures } from './prompt-features.ts';

export interface Watched {
  /** `site#feature`, as in `resid_post.2#17`. */
  readonly label: string;
  readonly threshold: number;
}

export interface MonitorRecord {
  /** Position in the prompt set, from 0. */
  readonly prompt: number;
  readonly alarm: boolean;
  readonly features: readonly {
    readonly feature: string;
    readonly value: number;
    readonly threshold: number;
    /** Token on which it fires most. */
    readonly token: string;
    readonly alarm: boolean;
  }[];
}

/** `resid_post.2#17` or `resid_post.2#17>3.5` */
export function parseWatch(text: string): { readonly label: string; readonly threshold?: number } {
  const match = /^([a-z0-9_]+(?:\.\d+)?#\d+)(?:>(\d+(?:\.\d+)?))?$/.exec(text.trim());
  if (match?.[1] === undefined) {
    throw new ScanError('E_USAGE', `${JSON.stringify(text)} names no feature`, {
      hint: 'Write site#feature, as in resid_post.2#17 or resid_post.2#17>3.5.',
    });
  }
  return match[2] === undefined
    ? { label: match[1] }
    : { label: match[1], threshold: Number(match[2]) };
}

/**
 * Thresholds from ordinary prompts: the value that the given share of them stays at or below.
 * @param quantile 1 for the strongest ordinary prompt
 */
export function calibrate(
  labels: readonly string[],
  ordinary: PromptFeatures,
  quantile: number,
): Watched[] {
  return labels.map((label) => {
    const values = ordinary.maxima.get(label) ?? new Float32Array(ordinary.prompts);
    const sorted = Float32Array.from(values).sort();
    const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(quantile * sorted.length) - 1));
    return { label, threshold: sorted[index] ?? 0 };
  });
}

/** One record a prompt, in order. An alarm needs a value strictly above the threshold. */
export function monitorPrompts(
  watched: readonly Watched[],
  observed: PromptFeatures,
): MonitorRecord[] {
  return Array.from({ length: observed.prompts }, (_, prompt) => {
    const features = watched.map(({ label, threshold }) => {
      const value = observed.maxima.get(label)?.[prompt] ?? 0;
      const token = observed.tokens.get(label)?.[prompt] ?? '';
      return { feature: label, value, threshold, token, alarm: value > threshold };
    });
    return { prompt, alarm: features.some(({ alarm }) => alarm), features };
  });
}
