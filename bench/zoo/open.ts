/** Opens one model of a labelled set with the corpora that a mode stands for. */
import { join } from 'node:path';
import { Engine } from '../../src/engine/engine.ts';
import { PACKAGE_ROOT } from '../../src/entry-point.ts';
import { openModel } from '../../src/model/open-model.ts';
import { bundledCorpora, type Corpus, readCorpus } from '../../src/probe/corpus.ts';
import { Generator } from '../../src/probe/generation.ts';

/** `bundled`; `formal`, without the stories; or the folder of a user's corpus, which takes the stories' place. */
export function corporaOf(mode: string): Corpus[] {
  const bundled = bundledCorpora(join(PACKAGE_ROOT, 'corpora'), 'generic');
  if (mode === 'bundled') return bundled;
  const formal = bundled.filter(({ group }) => group === 'formal');
  return mode === 'formal' ? formal : [readCorpus(mode), ...formal];
}

export interface OpenedModel extends AsyncDisposable {
  readonly generator: Generator;
  readonly engine: Engine;
}

export function openZooModel(
  folder: string,
  options: { readonly workers: number; readonly seed: number },
): OpenedModel {
  const engine = new Engine({ workers: options.workers });
  const generator = new Generator(openModel(folder), engine, { seed: options.seed });
  return { generator, engine, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() };
}
