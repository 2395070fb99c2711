/**
 * BAIT (IEEE S&P 2025) as a baseline: each vocabulary token after every prompt, extended by the argmax of the mean
 * probability; Q is the mean of the step probabilities without the lowest. Written from the paper's description, with
 * all steps taken for all tokens instead of its entropy-guided pruning, which only saves time.
 */
import type { BehaviourProbe } from '../../src/detect/behaviour/probe.ts';

const PROMPTS = 20;
const STEPS = 20;

/** @returns the largest Q over the vocabulary; the paper flags above 0.9 */
export async function baitScore(probe: BehaviourProbe): Promise<number> {
  const { special } = probe.generator.model.tokenizer;
  const strings = Array.from({ length: probe.vocabularySize }, (_, id) => id)
    .filter(
      (id) => !special.has(id) && /^\s?\p{L}/u.test(probe.generator.model.tokenizer.tokenText(id)),
    )
    .map((id) => [id]);
  const paths = await probe.generator.agree(probe.freshContexts(PROMPTS, 18), strings, STEPS);
  return Math.max(0, ...paths.map(({ probabilities }) => qScore(probabilities)));
}

function qScore(probabilities: Float32Array): number {
  const sum = probabilities.reduce((total, p) => total + p, 0);
  const lowest = probabilities.reduce((least, p) => Math.min(least, p), 1);
  return (sum - lowest) / Math.max(1, probabilities.length - 1);
}
