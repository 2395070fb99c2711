/** Text that the model writes from nothing: leak source, contexts, and part of the reference. */
import { f32Output, ids } from '../engine/session.ts';
import { activationsGraph } from '../model/graphs/activations.ts';
import type { Generator, Response } from './generation.ts';
import { RandomStream } from './random.ts';

export interface OwnSample {
  /** Without the beginning-of-text token. */
  readonly tokens: Int32Array;
  readonly probabilities: Float32Array;
}

/**
 * Samples at temperature 1 with end-of-text banned.
 * @param count samples @param length tokens each
 */
export async function ownSamples(
  generator: Generator,
  count: number,
  length: number,
): Promise<OwnSample[]> {
  const start = startTokens(generator);
  const first = await firstTokens(generator, start, count);
  const responses = await generator.cross({
    contexts: [start],
    strings: first.map(({ token }) => [token]),
    steps: length - 1,
    decoding: 'sample',
    temperature: 1,
    label: 'own-samples',
  });
  return responses.map((response, i) => withFirst(first[i] as FirstToken, response[0] as Response));
}

/** What stands before generated text: the beginning-of-text token, else end-of-text, else a frequent token. */
export function startTokens(generator: Generator): number[] {
  const { bos, eos, vocabularySize } = generator.model.tokenizer;
  return [bos ?? eos[0] ?? Math.min(1, vocabularySize - 1)];
}

interface FirstToken {
  readonly token: number;
  readonly probability: number;
}

function withFirst(first: FirstToken, response: Response): OwnSample {
  const tokens = new Int32Array(response.tokens.length + 1);
  const probabilities = new Float32Array(tokens.length);
  tokens[0] = first.token;
  probabilities[0] = first.probability;
  tokens.set(response.tokens, 1);
  probabilities.set(response.probabilities, 1);
  return { tokens, probabilities };
}

/** Draws of the token after the start, from one forward pass. */
async function firstTokens(
  generator: Generator,
  start: readonly number[],
  count: number,
): Promise<FirstToken[]> {
  const { spec, tokenizer } = generator.model;
  const plan = generator.engine.plan(
    activationsGraph(spec, [], { logits: true, positions: start.length }),
  );
  const outputs = await generator.engine.run(plan, { ids: ids(start, [1, start.length]) });
  const logits = f32Output(outputs, 'logits').slice(-spec.vocabularySize);
  const probabilities = softmax(logits);
  const allowed = probabilities.map((p, id) => (tokenizer.special.has(id) ? 0 : p));
  const sum = allowed.reduce((total, p) => total + p, 0);
  const random = new RandomStream(generator.seed, 'first-tokens');
  return Array.from({ length: count }, () => {
    let rest = random.uniform() * sum;
    let token = 0;
    for (let id = 0; id < allowed.length; id++) {
      const p = allowed[id] as number;
      if (p === 0) continue;
      token = id;
      rest -= p;
      if (rest <= 0) break;
    }
    return { token, probability: probabilities[token] as number };
  });
}

export function softmax(logits: Float32Array): Float32Array {
  const max = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const exps = logits.map((x) => Math.exp(x - max));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((x) => x / sum);
}
