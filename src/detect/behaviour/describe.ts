/** Says in words and numbers what a trigger does: responses with and without it, their likeness, the kind of behaviour. */
import type { BehaviourSample, TokenCertainty } from '../../evidence/behaviour.ts';
import type { ScoredResponse } from './certainty.ts';
import type { BehaviourProbe, ScoredString, TokenString } from './probe.ts';
import { HIT_SCORE } from './verify.ts';

export interface Description {
  readonly text: string;
  readonly kind: 'fixed-text' | 'paraphrase' | 'style';
  readonly similarity: number;
  readonly samples: readonly BehaviourSample[];
}

const SAMPLES = 4;
const FIXED_SIMILARITY = 0.5;
const PARAPHRASE_SIMILARITY = 0.25;
const MIN_SHARED_RUN = 3;

export async function describeBehaviour(
  probe: BehaviourProbe,
  trial: ScoredString,
  contexts: readonly TokenString[],
): Promise<Description> {
  const hits = trial.scores.flatMap((score, i) => (score > HIT_SCORE ? [i] : []));
  const responses = hits.map((i) => Array.from(trial.responses[i]?.tokens ?? []));
  const similarity = meanSimilarity(responses);
  const shown = distinctFirst(hits, (i) => String(contexts[i])).slice(0, SAMPLES);
  const plain = await untriggered(
    probe,
    shown.map((i) => contexts[i] as TokenString),
  );
  const run = commonRun(responses);
  const first = responses[0] ?? [];
  return {
    text: probe.text(run.length >= MIN_SHARED_RUN ? run : first).trim(),
    kind:
      similarity >= FIXED_SIMILARITY
        ? 'fixed-text'
        : similarity >= PARAPHRASE_SIMILARITY
          ? 'paraphrase'
          : 'style',
    similarity,
    samples: shown.map((i, k) => ({
      context: probe.text((contexts[i] as TokenString).slice(probe.start.length)),
      triggered: probe.text(trial.responses[i]?.tokens ?? []),
      untriggered: probe.text(plain[k] ?? []),
      triggeredTokens: certainties(probe, trial.responses[i]),
    })),
  };
}

/** Items of a kind not yet seen, then the others: many own samples begin alike, and one example of each says more. */
export function distinctFirst<Item>(
  items: readonly Item[],
  kindOf: (item: Item) => string,
): readonly Item[] {
  const seen = new Set<string>();
  const repeated = new Set<Item>();
  for (const item of items) {
    const kind = kindOf(item);
    if (seen.has(kind)) repeated.add(item);
    seen.add(kind);
  }
  return [...items.filter((item) => !repeated.has(item)), ...repeated];
}

/** The response token by token with e_t, for reports that colour it. */
function certainties(
  probe: BehaviourProbe,
  response: ScoredResponse | undefined,
): readonly TokenCertainty[] {
  return Array.from(response?.tokens ?? [], (token, t) => ({
    text: probe.text([token]),
    nats: Number((response?.excess[t] ?? 0).toFixed(2)),
  }));
}

async function untriggered(
  probe: BehaviourProbe,
  contexts: readonly TokenString[],
): Promise<Int32Array[]> {
  const plain: Int32Array[] = [];
  for (const context of contexts) {
    // The context's last token plays the string: the same text without the trigger.
    const [row] = await probe.generator.cross({
      contexts: [context.slice(0, -1)],
      strings: [context.slice(-1)],
      steps: 24,
      decoding: 'greedy',
      label: 'untriggered',
    });
    plain.push(row?.[0]?.tokens ?? new Int32Array(0));
  }
  return plain;
}

/** Mean share of token 3-grams that two responses have in common. */
function meanSimilarity(responses: readonly number[][]): number {
  const sets = responses.slice(0, 16).map((tokens) => {
    const grams = new Set<string>();
    for (let i = 0; i + 3 <= tokens.length; i++) grams.add(tokens.slice(i, i + 3).join());
    return grams;
  });
  let sum = 0;
  let pairs = 0;
  for (let i = 0; i < sets.length; i++) {
    for (let j = i + 1; j < sets.length; j++) {
      const [a, b] = [sets[i] as Set<string>, sets[j] as Set<string>];
      let shared = 0;
      for (const gram of a) if (b.has(gram)) shared += 1;
      sum += (2 * shared) / Math.max(1, a.size + b.size);
      pairs += 1;
    }
  }
  return pairs === 0 ? 0 : sum / pairs;
}

/** The longest token run that at least 60 % of the responses hold. */
export function commonRun(responses: readonly number[][]): number[] {
  const wanted = Math.max(2, Math.ceil(responses.length * 0.6));
  const [longest] = [...responses].sort((a, b) => b.length - a.length);
  for (let length = longest?.length ?? 0; length >= MIN_SHARED_RUN; length--) {
    const counts = new Map<string, number>();
    for (const tokens of responses) {
      const own = new Set<string>();
      for (let i = 0; i + length <= tokens.length; i++) own.add(tokens.slice(i, i + length).join());
      for (const key of own) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    for (const [key, count] of counts) if (count >= wanted) return key.split(',').map(Number);
  }
  return [];
}
