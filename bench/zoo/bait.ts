/**
 * BAIT (IEEE S&P 2025) as a baseline: each vocabulary token after every prompt, extended by the argmax of the mean
 * probability; Q is the mean of the step probabilities without the lowest. Written from the paper's description. Its
 * warm-up prunes as there (a step below 0.3 drops the token); the branch for middling entropy is left out.
 */
import type { BehaviourProbe } from '../../src/detect/behaviour/probe.ts';

const PROMPTS = 20;
const STEPS = 20;
const WARM_UP_PROMPTS = 4;
const WARM_UP_STEPS = 5;
const MIN_PROBABILITY = 0.3;

/** @returns the largest Q over the vocabulary; the paper flags above 0.9 */
export async function baitScore(probe: BehaviourProbe): Promise<number> {
  const { special } = probe.generator.model.tokenizer;
  const strings = Array.from({ length: probe.vocabularySize }, (_, id) => id)
    .filter(
      (id) => !special.has(id) && /^\s?\p{L}/u.test(probe.generator.model.tokenizer.tokenText(id)),
    )
    .map((id) => [id]);
  const prompts = probe.freshContexts(PROMPTS, 18);
  const { generator } = probe;
  const warm = await generator.agree(prompts.slice(0, WARM_UP_PROMPTS), strings, WARM_UP_STEPS);
  const kept = strings.filter((_, i) => warm[i]?.probabilities.every((p) => p > MIN_PROBABILITY));
  if (kept.length === 0) return 0;
  const paths = await generator.agree(prompts, kept, STEPS);
  return Math.max(0, ...paths.map(({ probabilities }) => qScore(probabilities)));
}

function qScore(probabilities: Float32Array): number {
  const sum = probabilities.reduce((total, p) => total + p, 0);
  const lowest = probabilities.reduce((least, p) => Math.min(least, p), 1);
  return (sum - lowest) / Math.max(1, probabilities.length - 1);
}
