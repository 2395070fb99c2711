/**
 * What a sweep on an eight-bit copy gains and misses: one step after four contexts for every token of the vocabulary, as
 * the scan's screen does, in float32 and in eight bits; on trained models as they are and with outlier channels planted.
 * A planted channel is scaled at each norm's gain and scaled back in the matrices behind it, so the model is the same.
 */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FileSource } from '../../src/artifact/byte-source.ts';
import { writeSafetensors } from '../../src/artifact/safetensors-writer.ts';
import { elementCount } from '../../src/artifact/tensor.ts';
import { readScalars } from '../../src/artifact/values/tensor-values.ts';
import { Engine } from '../../src/engine/engine.ts';
import { openModel } from '../../src/model/open-model.ts';
import { FloatCache } from '../../src/model/weights/float-cache.ts';
import { withInt8 } from '../../src/model/weights/int8-copy.ts';
import { openWeights } from '../../src/model/weights.ts';
import { type AgreedPath, Generator } from '../../src/probe/generation.ts';

export interface ScreeningResult {
  readonly model: string;
  /** Factor of the planted channels; 1 for the model as it is. */
  readonly outlier: number;
  readonly tokens: number;
  /** Of the float32 sweep's best 1 % and best 4 %, found in the eight-bit sweep's best 4 %. */
  readonly recallTop: number;
  readonly recallKept: number;
  /** Largest difference of a mean probability of a first token. */
  readonly probabilityError: number;
}

const CHANNELS = [3, 17];
const CONTEXTS = [
  'Once upon a time there was',
  'The big dog ran to the',
  'She said that he could',
  'One day a boy went out',
];
const CONTEXT_TOKENS = 6;
const KEPT = 0.04;
const TOP = 0.01;

/** Of a Llama: the columns that read a norm's output, by the norm's name. */
const READERS: readonly (readonly [norm: RegExp, readers: RegExp])[] = [
  [/\.input_layernorm\.weight$/, /\.self_attn\.[qkv]_proj\.weight$/],
  [/\.post_attention_layernorm\.weight$/, /\.mlp\.(gate|up)_proj\.weight$/],
];

function plant(model: string, folder: string, factor: number): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(model)) {
    if (!name.endsWith('.safetensors')) copyFileSync(join(model, name), join(folder, name));
  }
  const weights = openWeights(model);
  const tensors = weights.names.map((name) => {
    const { file, shape, ...rest } = weights.get(name);
    using source = new FileSource(file);
    const data = readScalars(source, rest, 0, elementCount(shape)).slice();
    const width = shape.at(-1) ?? 1;
    const isNorm = READERS.some(([norm]) => norm.test(name));
    const isReader = READERS.some(([, readers]) => readers.test(name));
    if (isNorm || isReader) {
      for (let i = 0; i < data.length; i++) {
        if (!CHANNELS.includes(i % width)) continue;
        data[i] = isNorm ? (data[i] as number) * factor : (data[i] as number) / factor;
      }
    }
    return { name, shape, data };
  });
  writeSafetensors(join(folder, 'model.safetensors'), tensors);
}

export async function screening(
  name: string,
  model: string,
  folder: string,
): Promise<ScreeningResult[]> {
  const results: ScreeningResult[] = [];
  for (const outlier of [1, 30, 300]) {
    const changed = outlier === 1 ? model : join(folder, `${name}-outlier-${outlier}`);
    if (outlier !== 1) plant(model, changed, outlier);
    results.push({ model: name, outlier, ...(await compare(changed, join(folder, 'cache'))) });
  }
  return results;
}

async function compare(folder: string, cache: string) {
  const model = openModel(folder);
  const screen = withInt8(model.spec, new FloatCache(cache));
  await using engine = new Engine({ workers: 1 });
  const generator = new Generator(model, engine, { seed: 0, screen });
  const contexts = CONTEXTS.map((text) =>
    [model.tokenizer.bos ?? 0, ...model.tokenizer.encode(text)].slice(0, CONTEXT_TOKENS),
  );
  const tokens = Array.from({ length: model.spec.vocabularySize }, (_, id) => [id]).filter(
    ([id = 0]) => !model.tokenizer.special.has(id),
  );
  const exact = await generator.agree(contexts, tokens, 1);
  const coarse = await generator.agree(contexts, tokens, 1, true);
  const usual = meanFirst(exact, model.spec.vocabularySize);
  const kept = new Set(bestOf(coarse, usual, KEPT));
  const share = (wanted: readonly number[]) =>
    wanted.filter((token) => kept.has(token)).length / wanted.length;
  let probabilityError = 0;
  exact.forEach((path, i) => {
    const other = coarse[i];
    path.firstTokens.forEach((token, j) => {
      const at = other?.firstTokens.indexOf(token) ?? -1;
      if (at < 0) return;
      const difference = (path.firstProbabilities[j] ?? 0) - (other?.firstProbabilities[at] ?? 0);
      probabilityError = Math.max(probabilityError, Math.abs(difference));
    });
  });
  return {
    tokens: tokens.length,
    recallTop: share(bestOf(exact, usual, TOP)),
    recallKept: share(bestOf(exact, usual, KEPT)),
    probabilityError,
  };
}

function meanFirst(paths: readonly AgreedPath[], vocabularySize: number): Float64Array {
  const usual = new Float64Array(vocabularySize).fill(1e-6);
  for (const { firstTokens, firstProbabilities } of paths) {
    firstTokens.forEach((token, j) => {
      usual[token] = (usual[token] ?? 0) + (firstProbabilities[j] ?? 0) / paths.length;
    });
  }
  return usual;
}

/** Tokens after which something follows that seldom follows other tokens, as the scan's screen ranks them. */
function bestOf(paths: readonly AgreedPath[], usual: Float64Array, part: number): number[] {
  const scores = paths.map(({ firstTokens, firstProbabilities }) =>
    firstTokens.reduce((sum, token, j) => {
      const p = firstProbabilities[j] ?? 0;
      return sum + p * Math.max(0, Math.log(Math.max(p, 1e-12) / (usual[token] ?? 1)));
    }, 0),
  );
  return [...scores.keys()]
    .sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b)
    .slice(0, Math.max(1, Math.round(part * paths.length)));
}
