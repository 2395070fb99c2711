/** Token windows that dictionaries and catalogues are made from: a user's corpus, or what the model writes itself. */
import type { Engine } from '../engine/engine.ts';
import { ScanError } from '../errors.ts';
import type { Model } from '../model/open-model.ts';
import { readCorpus } from '../probe/corpus.ts';
import { Generator } from '../probe/generation.ts';
import { planGeneration } from '../probe/generation-memory.ts';
import { ownSamples } from '../probe/own-samples.ts';
import { fixedWindows } from '../sae/train-model.ts';

export interface TextWindows {
  readonly windows: readonly (readonly number[])[];
  /** Where the text is from, for people. */
  readonly source: string;
}

export interface WindowOptions {
  /** Files; empty for the model's own samples. */
  readonly corpora: readonly string[];
  readonly length: number;
  readonly maxTokens: number;
  readonly seed: number;
}

/** @throws ScanError `E_CORPUS` when nothing fills a window */
export async function textWindows(
  model: Model,
  engine: Engine,
  options: WindowOptions,
): Promise<TextWindows> {
  const length = Math.min(options.length, model.spec.maxPositions);
  const { bos } = model.tokenizer;
  if (options.corpora.length === 0) return ownWindows(model, engine, options, length);
  const windows: number[][] = [];
  for (const file of options.corpora) {
    const left = options.maxTokens - windows.length * length;
    const documents = tokenDocuments(model, readCorpus(file).documents);
    windows.push(...fixedWindows(documents, length, bos, left));
  }
  if (windows.length === 0) {
    throw new ScanError('E_CORPUS', `no document has ${length} tokens`, {
      hint: 'Give longer documents, or fewer tokens a window with --window.',
    });
  }
  return { windows, source: options.corpora.join(', ') };
}

function* tokenDocuments(model: Model, documents: readonly string[]): Iterable<number[]> {
  for (const text of documents) yield model.tokenizer.encode(text);
}

async function ownWindows(
  model: Model,
  engine: Engine,
  options: WindowOptions,
  length: number,
): Promise<TextWindows> {
  const { bos } = model.tokenizer;
  const body = length - (bos === undefined ? 0 : 1);
  const count = Math.max(1, Math.floor(options.maxTokens / length));
  const maxPositions = length + 1;
  const { workers, memoryBytes } = engine;
  const { rows } = planGeneration(model.spec, {
    positions: maxPositions,
    workers,
    ...(memoryBytes !== undefined && { memoryBytes }),
  });
  const generator = new Generator(model, engine, { seed: options.seed, maxPositions, rows });
  const samples = await ownSamples(generator, count, body);
  const documents = samples.map(({ tokens }) => [...tokens]);
  return {
    windows: fixedWindows(documents, length, bos),
    source: `${count} texts that the model wrote`,
  };
}
