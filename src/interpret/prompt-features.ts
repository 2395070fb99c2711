/** The strongest value of every feature in every prompt: what contrasts, monitors and red-team assessments read. */

import type { OpenGraph } from '../engine/open-graph.ts';
import { siteName } from '../model/graphs/activations.ts';
import type { Model } from '../model/open-model.ts';
import { runCorpus, type SiteDictionary } from '../sae/corpus-pass.ts';
import { windowOf } from '../sae/sparse-run.ts';
import { promptIds } from './prompts.ts';

export interface FeatureKey {
  readonly site: string;
  readonly feature: number;
}

export function featureLabel({ site, feature }: FeatureKey): string {
  return `${site}#${feature}`;
}

export interface PromptFeatures {
  readonly prompts: number;
  /** By label `site#feature`: strongest value in each prompt, 0 where silent. Features that never fire are absent. */
  readonly maxima: ReadonlyMap<string, Float32Array>;
  /** By label: token text of the strongest firing in each prompt. */
  readonly tokens: ReadonlyMap<string, readonly string[]>;
}

export async function promptFeatures(
  model: Model,
  dictionaries: readonly SiteDictionary[],
  prompts: readonly string[],
  options: {
    readonly open?: OpenGraph;
    readonly onProgress?: (done: number, total: number) => void;
  },
): Promise<PromptFeatures> {
  const windows = prompts.map((prompt) => promptIds(model, prompt));
  const runs = await runCorpus(model.spec, dictionaries, windows, {
    skip: model.tokenizer.special,
    ...options,
  });
  const maxima = new Map<string, Float32Array>();
  const tokens = new Map<string, string[]>();
  for (const { site } of dictionaries) {
    const run = runs.get(siteName(site));
    if (run === undefined) continue;
    const promptOfRow = (row: number) => run.givenWindows[windowOf(run.corpus, row)] as number;
    for (let feature = 0; feature < run.featureCount; feature++) {
      const from = run.offsets[feature] as number;
      const to = run.offsets[feature + 1] as number;
      if (from === to) continue;
      const label = featureLabel({ site: siteName(site), feature });
      const strongest = new Float32Array(prompts.length);
      const texts = new Array<string>(prompts.length).fill('');
      for (let i = from; i < to; i++) {
        const row = run.rows[i] as number;
        const prompt = promptOfRow(row);
        const value = Math.abs(run.values[i] as number);
        if (value <= (strongest[prompt] as number)) continue;
        strongest[prompt] = value;
        texts[prompt] = model.tokenizer.tokenText(run.corpus.tokens[row] as number);
      }
      maxima.set(label, strongest);
      tokens.set(label, texts);
    }
  }
  return { prompts: prompts.length, maxima, tokens };
}
