/** Batched generation against the plain way: the whole text through the model again for every token. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../../src/engine/engine.ts';
import { f32Output, ids, Session } from '../../../src/engine/session.ts';
import { activationsGraph } from '../../../src/model/graphs/activations.ts';
import { type Model, openModel } from '../../../src/model/open-model.ts';
import type { Tokenizer } from '../../../src/model/tokenizer.ts';
import { Generator, type Response } from '../../../src/probe/generation.ts';
import { ownSamples, softmax, startTokens } from '../../../src/probe/own-samples.ts';
import { openGolden } from '../../golden/golden-case.ts';

const stories = openModel('test/fixtures/models/stories260K');
const SEED = 7;
const STEPS = 10;
const encode = (text: string) => stories.tokenizer.encode(text);
const CONTEXTS = [
  'Once upon a time, there was a little girl who',
  'The big dog ran to the old tree and s',
]
  .map(encode)
  .map((tokens) => [1, ...tokens.slice(0, 9)]);
const STRINGS = [' the', ' zx! qq', '.', ' and then Lily said it', ' a'].map(encode);

let engine: Engine;
let plain: Session;
beforeAll(async () => {
  engine = new Engine({ workers: 1 });
  const graph = activationsGraph(stories.spec, [], { logits: true, positions: 128 });
  plain = await Session.open(graph, { device: 'cpu' });
});
afterAll(async () => {
  await engine.close();
  await plain.close();
});

async function probabilitiesAfter(
  session: Session,
  row: readonly number[],
  vocabularySize: number,
): Promise<Float32Array> {
  const logits = f32Output(await session.run({ ids: ids(row, [1, row.length]) }), 'logits');
  return softmax(logits.slice(-vocabularySize));
}

function bestAllowed(probabilities: Float32Array, banned: ReadonlySet<number>): number {
  let best = -1;
  probabilities.forEach((p, id) => {
    if (!banned.has(id) && (best < 0 || p > (probabilities[best] as number))) best = id;
  });
  return best;
}

async function plainGreedy(
  session: Session,
  model: Pick<Model, 'spec' | 'tokenizer'>,
  prompt: readonly number[],
  steps: number,
): Promise<{ tokens: number[]; probabilities: number[] }> {
  const row = [...prompt];
  const probabilities: number[] = [];
  for (let step = 0; step < steps; step++) {
    const each = await probabilitiesAfter(session, row, model.spec.vocabularySize);
    const token = bestAllowed(each, model.tokenizer.special);
    row.push(token);
    probabilities.push(each[token] as number);
  }
  return { tokens: row.slice(prompt.length), probabilities };
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) expect(actual[i]).toBeCloseTo(expected[i] as number, 4);
}

function responseOf(response: Response | undefined): Response {
  if (response === undefined) throw new Error('a string has no response');
  return response;
}

const request = { steps: STEPS, label: 'test' } as const;

describe('cross', () => {
  it('continues as the plain loop does, with the probabilities of the plain logits', async () => {
    const generator = new Generator(stories, engine, { seed: SEED });
    const results = await generator.cross({
      ...request,
      contexts: CONTEXTS,
      strings: STRINGS,
      decoding: 'greedy',
    });
    for (const [s, string] of STRINGS.entries()) {
      for (const [c, context] of CONTEXTS.entries()) {
        const expected = await plainGreedy(plain, stories, [...context, ...string], STEPS);
        const { tokens, probabilities } = responseOf(results[s]?.[c]);
        expect([...tokens]).toEqual(expected.tokens);
        expectClose(probabilities, expected.probabilities);
      }
    }
    const rows = CONTEXTS.length * STRINGS.length;
    expect(generator.tokens).toBeGreaterThanOrEqual(rows * STEPS);
  });

  // Absolute positions, linear biases, sliding windows: what left padding could disturb.
  it.each(['gpt2', 'bloom', 'gemma3', 'mistral', 'gptj'])(
    '%s: padding changes nothing',
    async (name) => {
      const { spec } = openGolden(name);
      const tokenizer = { special: new Set([0]), eos: [] as number[] } as unknown as Tokenizer;
      const model = { spec, tokenizer } as Model;
      const session = await Session.open(
        activationsGraph(spec, [], { logits: true, positions: 32 }),
        { device: 'cpu' },
      );
      const contexts = [[3, 5, 7, 9]];
      const strings = [[4], [6, 8, 10, 12, 14, 16], [11, 2]];
      const generator = new Generator(model, engine, { seed: SEED, maxPositions: 32 });
      const results = await generator.cross({
        ...request,
        contexts,
        strings,
        steps: 6,
        decoding: 'greedy',
      });
      for (const [s, string] of strings.entries()) {
        const expected = await plainGreedy(session, model, [3, 5, 7, 9, ...string], 6);
        const { tokens, probabilities } = responseOf(results[s]?.[0]);
        expect([...tokens]).toEqual(expected.tokens);
        expectClose(probabilities, expected.probabilities);
      }
      await session.close();
    },
  );

  it('answers each string alone as it does among longer ones', async () => {
    const generator = new Generator(stories, engine, { seed: SEED });
    const common = { ...request, contexts: CONTEXTS, decoding: 'greedy' } as const;
    const together = await generator.cross({ ...common, strings: STRINGS });
    for (const [s, string] of STRINGS.entries()) {
      const [alone] = await generator.cross({ ...common, strings: [string] });
      CONTEXTS.forEach((_, c) => {
        expect(together[s]?.[c]?.tokens).toEqual(alone?.[c]?.tokens);
        expectClose(together[s]?.[c]?.probabilities ?? [], alone?.[c]?.probabilities ?? []);
      });
    }
  });

  it('keeps order and answers past one batch', async () => {
    const generator = new Generator(stories, engine, { seed: SEED });
    const strings = Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0 ? [300 + (i % 200)] : [260 + (i % 90), 400, 261],
    );
    const common = { contexts: CONTEXTS, steps: 2, decoding: 'greedy', label: 'many' } as const;
    const many = await generator.cross({ ...common, strings });
    expect(many).toHaveLength(300);
    for (const i of [0, 1, 127, 128, 254, 299]) {
      const [alone] = await generator.cross({ ...common, strings: [strings[i] as number[]] });
      expect(many[i]?.map(({ tokens }) => [...tokens])).toEqual(
        alone?.map(({ tokens }) => [...tokens]),
      );
    }
  });

  it('samples by seed and label alone, the same on one worker and two', async () => {
    const sample = async (seed: number, label: string, on = engine, temperature?: number) => {
      const generator = new Generator(stories, on, { seed });
      const results = await generator.cross({
        contexts: CONTEXTS,
        strings: STRINGS,
        steps: STEPS,
        decoding: 'sample',
        label,
        ...(temperature !== undefined && { temperature }),
      });
      return results.map((row) => row.map(({ tokens }) => [...tokens]));
    };
    const first = await sample(1, 'a');
    expect(await sample(1, 'a')).toEqual(first);
    expect(await sample(2, 'a')).not.toEqual(first);
    expect(await sample(1, 'b')).not.toEqual(first);
    await using two = new Engine({ workers: 2 });
    expect(await sample(1, 'a', two)).toEqual(first);
    const cold = await sample(1, 'a', engine, 1e-3);
    const greedy = await new Generator(stories, engine, { seed: 0 }).cross({
      ...request,
      contexts: CONTEXTS,
      strings: STRINGS,
      decoding: 'greedy',
    });
    expect(cold).toEqual(greedy.map((row) => row.map(({ tokens }) => [...tokens])));
  });

  it('reports of samples what the model itself gave them', async () => {
    const generator = new Generator(stories, engine, { seed: SEED });
    const context = CONTEXTS[0] as number[];
    const [row] = await generator.cross({
      ...request,
      contexts: [context],
      strings: [STRINGS[0] as number[]],
      decoding: 'sample',
    });
    const { tokens, probabilities } = responseOf(row?.[0]);
    const text = [...context, ...(STRINGS[0] as number[])];
    for (const [i, token] of tokens.entries()) {
      const each = await probabilitiesAfter(plain, text, stories.spec.vocabularySize);
      expect(probabilities[i]).toBeCloseTo(each[token] as number, 4);
      text.push(token);
    }
  });

  it('takes no strings, and never writes special tokens', async () => {
    const generator = new Generator(stories, engine, { seed: SEED });
    const common = { ...request, contexts: CONTEXTS, decoding: 'sample', temperature: 50 } as const;
    expect(await generator.cross({ ...common, strings: [] })).toEqual([]);
    const wild = await generator.cross({ ...common, strings: STRINGS, steps: 40 });
    const seen = new Set(wild.flat().flatMap(({ tokens }) => [...tokens]));
    for (const special of stories.tokenizer.special) expect(seen).not.toContain(special);
    expect(seen.size).toBeGreaterThan(100);
  });

  it('ends a text only where it is allowed to', async () => {
    const generator = new Generator(stories, engine, { seed: SEED });
    const common = { ...request, contexts: CONTEXTS, strings: STRINGS, steps: 60 } as const;
    const wild = { ...common, decoding: 'sample', temperature: 50 } as const;
    const ending = await generator.cross({ ...wild, mayEnd: true });
    const seen = new Set(ending.flat().flatMap(({ tokens }) => [...tokens]));
    const { eos, special } = stories.tokenizer;
    expect(eos.some((id) => seen.has(id))).toBe(true);
    for (const id of special) if (!eos.includes(id)) expect(seen).not.toContain(id);
  });
});

describe('agree', () => {
  it('follows the argmax of the probability averaged over contexts', async () => {
    const generator = new Generator(stories, engine, { seed: SEED });
    const paths = await generator.agree(CONTEXTS, STRINGS, 5);
    for (const [s, string] of STRINGS.entries()) {
      const rows = CONTEXTS.map((context) => [...context, ...string]);
      for (let step = 0; step < 5; step++) {
        const mean = new Float32Array(stories.spec.vocabularySize);
        for (const row of rows) {
          const each = await probabilitiesAfter(plain, row, mean.length);
          each.forEach((p, id) => {
            mean[id] = (mean[id] as number) + p / rows.length;
          });
        }
        if (step === 0) {
          const order = [...mean.keys()].sort((a, b) => (mean[b] as number) - (mean[a] as number));
          const { firstTokens, firstProbabilities } = paths[s] as (typeof paths)[number];
          expect(firstTokens[0]).toBe(order[0]);
          expectClose(
            firstProbabilities,
            order.slice(0, 8).map((id) => mean[id] as number),
          );
        }
        const token = bestAllowed(mean, stories.tokenizer.special);
        expect(paths[s]?.tokens[step]).toBe(token);
        expect(paths[s]?.probabilities[step]).toBeCloseTo(mean[token] as number, 4);
        for (const row of rows) row.push(token);
      }
    }
  });
});

describe('own samples', () => {
  it('are drawn from the model: reproducible, without special tokens, likely under it', async () => {
    const draw = (seed: number) => ownSamples(new Generator(stories, engine, { seed }), 24, 16);
    const samples = await draw(3);
    expect(samples).toEqual(await draw(3));
    expect(samples).not.toEqual(await draw(4));
    expect(samples).toHaveLength(24);
    for (const { tokens, probabilities } of samples) {
      expect(tokens).toHaveLength(16);
      expect(probabilities).toHaveLength(16);
      for (const token of tokens) expect(stories.tokenizer.special.has(token)).toBe(false);
    }
    const [{ tokens, probabilities }] = samples as [(typeof samples)[number]];
    const row = startTokens(new Generator(stories, engine, { seed: 3 }));
    for (const [i, token] of tokens.entries()) {
      const each = await probabilitiesAfter(plain, row, stories.spec.vocabularySize);
      expect(probabilities[i]).toBeCloseTo(each[token] as number, 4);
      row.push(token);
    }
  });

  it.each([
    [{ bos: 1, eos: [2] }, 1],
    [{ bos: undefined, eos: [2] }, 2],
    [{ bos: undefined, eos: [] }, 1],
  ])('start with %j at token %i', (facts, expected) => {
    const tokenizer = { ...facts, vocabularySize: 512, special: new Set<number>() };
    const model: Model = { ...stories, tokenizer: tokenizer as unknown as Tokenizer };
    expect(startTokens(new Generator(model, engine, { seed: 0 }))).toEqual([expected]);
  });
});

it('softmax bears large logits', () => {
  expect([...softmax(Float32Array.of(1000, 1000))]).toEqual([0.5, 0.5]);
  expect([...softmax(Float32Array.of(-1e30, 0))]).toEqual([0, 1]);
});

it('refuses contexts of several lengths with words, not with a broken tensor', async () => {
  const generator = new Generator(stories, engine, { seed: SEED });
  const [first = [], second = []] = CONTEXTS;
  for (const contexts of [[first, second.slice(1)], [[]], []]) {
    const request = { contexts, strings: [[5]], steps: 2, decoding: 'greedy', label: 'x' } as const;
    const wanted = {
      code: 'E_INTERNAL',
      message: expect.stringContaining('contexts must all have one length'),
    };
    await expect(generator.cross(request)).rejects.toMatchObject(wanted);
    await expect(generator.agree(contexts, [[5]], 2)).rejects.toMatchObject(wanted);
  }
});
