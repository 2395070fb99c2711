/** A catalogue of features for people: what each fires on, what almost sets it off, and what it makes likelier. */

import { type OpenGraph, openHere } from '../engine/open-graph.ts';
import { f32Output, floats, i64Output } from '../engine/session.ts';
import { emitLogits } from '../model/emit/forward.ts';
import { planLayers } from '../model/layer-groups.ts';
import type { Model } from '../model/open-model.ts';
import type { ModelSpec } from '../model/spec.ts';
import { Graph, int } from '../onnx/graph.ts';
import type { SiteRun } from '../sae/corpus-pass.ts';
import { type Dictionary, dictionaryBytes, featureVectors } from '../sae/dictionary.ts';
import { firingRows, firingValues, windowOf } from '../sae/sparse-run.ts';
import { CorpusIndex, type FeatureProfile, profileFeatures } from '../sae/statistics.ts';

export interface StripToken {
  readonly text: string;
  /** The feature's strength on the token; 0 where it is silent. */
  readonly value: number;
}

export interface CatalogueEntry {
  readonly profile: FeatureProfile;
  readonly patternText: string;
  /** Strongest firings in different windows. */
  readonly contexts: readonly (readonly StripToken[])[];
  /** The pattern's last token without the rest of the pattern, where the feature stays silent. */
  readonly nearMisses: readonly (readonly StripToken[])[];
  /** Tokens that the decoder direction makes likelier, strongest first. */
  readonly promotes: readonly string[];
}

export interface CatalogueOptions {
  /** Features listed. */
  readonly limit: number;
  readonly contexts: number;
  /** Features that fire less often than this say nothing yet. */
  readonly minFirings: number;
  /** Above this density a feature is not narrow. */
  readonly maxDensity: number;
  readonly open?: OpenGraph;
}

const TOKENS_BEFORE = 12;
const TOKENS_AFTER = 6;
const PROMOTED = 8;

/** Narrow features first: those whose one pattern explains their firings best, conjunctions before single tokens. */
export async function catalogue(
  model: Model,
  run: SiteRun,
  dictionary: Dictionary,
  options: CatalogueOptions,
): Promise<CatalogueEntry[]> {
  const index = new CorpusIndex(run.corpus);
  const profiles = profileFeatures(run, index)
    .filter(
      ({ firings, density }) => firings >= options.minFirings && density <= options.maxDensity,
    )
    .sort((a, b) => narrowScore(b) - narrowScore(a) || a.feature - b.feature)
    .slice(0, options.limit);
  const promoted = await promotedTokens(model, run, dictionary, profiles, options.open ?? openHere);
  return profiles.map((profile, i) => ({
    profile,
    patternText: model.tokenizer.decodeInside(profile.best.pattern),
    contexts: contextsOf(model, run, profile.feature, options.contexts),
    nearMisses: nearMisses(model, run, index, profile, options.contexts),
    promotes: promoted[i] ?? [],
  }));
}

/** F1 of the best pattern, plus how much the whole pattern matters beyond its tokens. */
export function narrowScore({ narrowness, best, conjunction }: FeatureProfile): number {
  const f1 = (2 * narrowness * best.recall) / Math.max(1e-12, narrowness + best.recall);
  return f1 + Math.max(0, conjunction);
}

function contextsOf(model: Model, run: SiteRun, feature: number, count: number): StripToken[][] {
  const rows = firingRows(run, feature);
  const values = firingValues(run, feature);
  const order = [...rows.keys()].sort(
    (a, b) => (values[b] as number) - (values[a] as number) || a - b,
  );
  const seen = new Set<number>();
  const strips: StripToken[][] = [];
  for (const i of order) {
    const row = rows[i] as number;
    const window = windowOf(run.corpus, row);
    if (seen.has(window)) continue;
    seen.add(window);
    strips.push(strip(model, run, feature, row));
    if (strips.length === count) break;
  }
  return strips;
}

function nearMisses(
  model: Model,
  run: SiteRun,
  index: CorpusIndex,
  { best, feature }: FeatureProfile,
  count: number,
): StripToken[][] {
  const last = best.pattern.at(-1);
  if (last === undefined || best.pattern.length < 2) return [];
  const fires = new Set(firingRows(run, feature));
  const whole = new Set(index.occurrences(best.pattern));
  return index
    .rowsOf(last)
    .filter((row) => !fires.has(row) && !whole.has(row))
    .slice(0, count)
    .map((row) => strip(model, run, feature, row));
}

function strip(model: Model, run: SiteRun, feature: number, row: number): StripToken[] {
  const { corpus } = run;
  const window = windowOf(corpus, row);
  const first = Math.max(corpus.windowStarts[window] as number, row - TOKENS_BEFORE);
  const end = Math.min(corpus.windowStarts[window + 1] as number, row + TOKENS_AFTER + 1);
  const rows = firingRows(run, feature);
  const values = firingValues(run, feature);
  const strength = new Map(Array.from(rows, (at, i) => [at, values[i] as number]));
  return Array.from({ length: end - first }, (_, i) => ({
    text: model.tokenizer.tokenText(corpus.tokens[first + i] as number),
    value: strength.get(first + i) ?? 0,
  }));
}

/** The decoder direction through the final norm and the head; only the order of tokens means something. */
async function promotedTokens(
  model: Model,
  run: SiteRun,
  dictionary: Dictionary,
  profiles: readonly FeatureProfile[],
  open: OpenGraph,
): Promise<string[][]> {
  const { spec } = model;
  const writesToStream = dictionary.outputWidth === spec.width && run.site.kind !== 'attn_z';
  if (spec.head === undefined || !writesToStream || profiles.length === 0) return [];
  // The head is mapped whole: it must fit the bound, if there is one.
  const rows = profiles.length;
  const text = { batchTokens: rows, length: rows, totalTokens: rows };
  const extraBytes = dictionaryBytes(dictionary);
  planLayers(spec, { ...text, blocks: 0, head: true, extraBytes }, open);
  const graph = await open(lensGraph(spec));
  try {
    const features = profiles.map(({ feature }) => feature);
    const directions = featureVectors(dictionary.decoder, 'features-in', features);
    const outputs = await graph.run({ x: floats(directions, [features.length, spec.width]) });
    const tokens = i64Output(outputs, 'tokens');
    const count = f32Output(outputs, 'logits').length / features.length;
    return features.map((_, i) =>
      Array.from(tokens.subarray(i * count, (i + 1) * count), (id) =>
        model.tokenizer.tokenText(id),
      ),
    );
  } finally {
    await graph.close();
  }
}

function lensGraph(spec: ModelSpec): Graph {
  const g = new Graph();
  const x = g.input('x', 'f32', ['rows', spec.width]);
  const count = Math.min(PROMOTED, spec.vocabularySize);
  const [logits, tokens] = g.ops('TopK', [emitLogits(g, spec, x), g.i64([count])], 2, {
    axis: int(-1),
  });
  if (logits === undefined || tokens === undefined) throw new Error('TopK has two outputs');
  g.output('logits', logits, 'f32', ['rows', count]);
  g.output('tokens', tokens, 'i64', ['rows', count]);
  return g;
}
