/** Every token alone, scored by what the model writes after it in each context (no agreement needed: styles show). */
import { type BehaviourProbe, best, type ScoredString, type TokenString } from '../probe.ts';

const CONTEXTS = 4;
const STEPS = 20;

export async function singleTokens(probe: BehaviourProbe): Promise<ScoredString[]> {
  const { settings, generator } = probe;
  if (settings.singleKeep === 0 || probe.vocabularySize > settings.sweepTokens) return [];
  const { special } = generator.model.tokenizer;
  const strings = Array.from({ length: probe.vocabularySize }, (_, id) => id)
    .filter((id) => !special.has(id))
    .map((id): TokenString => [id]);
  probe.progress('single tokens', 0, strings.length);
  const scored = await probe.trial(strings, probe.freshContexts(CONTEXTS, 18), {
    steps: STEPS,
    decoding: 'greedy',
    label: 'single',
  });
  return best(scored, settings.singleKeep);
}
