/** Which features carry a response: every feature that fires is taken out alone, against features that do not fire. */

import type { OpenGraph } from '../engine/open-graph.ts';
import { ScanError } from '../errors.ts';
import { siteName } from '../model/graphs/activations.ts';
import type { Model } from '../model/open-model.ts';
import { attributeFeatures, type FeatureRef, ResponseScorer } from '../sae/attribution.ts';
import { runCorpus, type SiteDictionary } from '../sae/corpus-pass.ts';
import type { FeatureEdit } from '../sae/edits.ts';
import { firingRows, firingValues } from '../sae/sparse-run.ts';
import { EditedGenerator } from './edited-generation.ts';
import { promptAndResponse, promptIds } from './prompts.ts';

export interface CarryingFeature {
  readonly site: string;
  readonly feature: number;
  /** Mean fall of ln p of a response token without it, nats. */
  readonly effect: number;
  readonly strongest: number;
  /** Token of the prompt or response on which it fires most. */
  readonly token: string;
}

export interface ResponseAttribution {
  readonly response: string;
  /** Mean ln p of a response token, untouched. */
  readonly logProbability: number;
  readonly features: readonly CarryingFeature[];
  /** Mean ln p of a response token with the strongest feature of every site taken out, all at once. */
  readonly withoutStrongest: number;
}

export interface AttributeOptions {
  /** Text after the prompt; what the model writes by default. */
  readonly response?: string;
  readonly steps: number;
  readonly limit: number;
  readonly open?: OpenGraph;
}

/** @throws ScanError `E_USAGE` when prompt and response do not fit the model */
export async function attributeResponse(
  model: Model,
  dictionaries: readonly SiteDictionary[],
  prompt: string,
  options: AttributeOptions,
): Promise<ResponseAttribution> {
  const { spec, tokenizer } = model;
  const { prompt: ids, response } =
    options.response === undefined
      ? await continued(model, prompt, options)
      : promptAndResponse(model, prompt, options.response);
  if (
    response.length === 0 ||
    ids.length === 0 ||
    ids.length + response.length > spec.maxPositions
  ) {
    throw new ScanError('E_USAGE', 'the response is empty or too long for the model');
  }
  const whole = [...ids, ...response];
  const open = options.open === undefined ? {} : { open: options.open };
  const runs = await runCorpus(spec, dictionaries, [whole], { skip: tokenizer.special, ...open });
  const candidates = dictionaries.flatMap(({ site, dictionary }): FeatureRef[] => {
    const run = runs.get(siteName(site));
    if (run === undefined) return [];
    return Array.from({ length: dictionary.featureCount }, (_, feature) => ({
      site,
      feature,
    })).filter(({ feature }) => firingRows(run, feature).length > 0);
  });
  const scorer = await ResponseScorer.open(spec, dictionaries, whole.length, options.open);
  try {
    const forced = { prompt: ids, response };
    const ranked = await attributeFeatures(scorer, [forced], candidates);
    const features = ranked
      .slice(0, options.limit)
      .map(({ site, feature, effect }): CarryingFeature => {
        const run = runs.get(siteName(site));
        if (run === undefined) throw new Error('a feature without its run');
        const values = firingValues(run, feature);
        const at = values.indexOf(values.reduce((a, b) => Math.max(a, b)));
        const row = firingRows(run, feature)[at] ?? 0;
        return {
          site: siteName(site),
          feature,
          effect,
          strongest: values[at] ?? 0,
          token: tokenizer.tokenText(run.corpus.tokens[row] ?? 0),
        };
      });
    const strongest = new Map<string, FeatureEdit>();
    for (const { site, feature, effect } of ranked) {
      const name = siteName(site);
      if (effect > 0 && !strongest.has(name)) strongest.set(name, { remove: [feature] });
    }
    const [untouched, without] = await scorer.score(forced, [new Map(), strongest]);
    return {
      response: tokenizer.decodeInside(response),
      logProbability: untouched ?? Number.NaN,
      withoutStrongest: without ?? Number.NaN,
      features,
    };
  } finally {
    await scorer.close();
  }
}

async function continued(
  model: Model,
  prompt: string,
  options: AttributeOptions,
): Promise<{ readonly prompt: number[]; readonly response: number[] }> {
  const generator = await EditedGenerator.open(model, [], options.steps, options.open);
  try {
    const [tokens] = await generator.run([prompt], new Map());
    return { prompt: promptIds(model, prompt, options.steps), response: [...(tokens ?? [])] };
  } finally {
    await generator.close();
  }
}
