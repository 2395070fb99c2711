/**
 * What each feature carries of a response: how much the model's log-probability of the response falls when the feature
 * is taken out, everything else left alone. Exact by ablation, many features in one batch.
 */

import { type OpenedGraph, type OpenGraph, openHere } from '../engine/open-graph.ts';
import { f32Output, floats, ids } from '../engine/session.ts';
import { ScanError } from '../errors.ts';
import { emitForward, emitLogits } from '../model/emit/forward.ts';
import { plainBatch, type Site, siteName } from '../model/graphs/activations.ts';
import type { ModelSpec } from '../model/spec.ts';
import { type Graph, int } from '../onnx/graph.ts';
import type { Dictionary } from './dictionary.ts';
import { type Edit, editVisitor, type FeatureEdit, featureFeeds } from './edits.ts';

/** A prompt and what follows it, teacher-forced. */
export interface ForcedResponse {
  readonly prompt: readonly number[];
  readonly response: readonly number[];
}

export interface FeatureRef {
  readonly site: Site;
  readonly feature: number;
}

export interface Attribution extends FeatureRef {
  /** Mean fall of ln p of a response token when the feature is removed, nats; positive when it carries the response. */
  readonly effect: number;
  /** The same, response by response. */
  readonly effects: readonly number[];
}

/**
 * Inputs: `ids` i64 [rows, length], `targets` i64 [rows · length], `weight` f32 [rows, length], and the edits' inputs.
 * Output `score` [rows]: weighted sum of ln p of the next tokens.
 */
export function responseGraph(spec: ModelSpec, edits: readonly Edit[], positions: number): Graph {
  const { graph: g, ids: flat, rows } = plainBatch(spec, positions);
  const weight = g.input('weight', 'f32', ['batch', 'length']);
  const x = emitForward(g, spec, flat, rows, { visit: editVisitor(edits)(g) });
  const logs = g.op('LogSoftmax', [emitLogits(g, spec, x)], { axis: int(-1) });
  const targets = g.input('targets', 'i64', ['rows']);
  const picked = g.op('GatherElements', [logs, g.unsqueeze(targets, [1])], { axis: int(1) });
  const shaped = g.reshape(picked, g.op('Shape', [weight]));
  g.output('score', g.reduce('Sum', g.mul(shaped, weight), [1], false), 'f32', ['batch']);
  return g;
}

/** One opened response graph over dictionaries at several sites. */
export class ResponseScorer {
  readonly #graph: OpenedGraph;
  readonly #dictionaries: ReadonlyMap<
    string,
    { readonly site: Site; readonly dictionary: Dictionary }
  >;

  private constructor(
    graph: OpenedGraph,
    dictionaries: ReadonlyMap<string, { readonly site: Site; readonly dictionary: Dictionary }>,
  ) {
    this.#graph = graph;
    this.#dictionaries = dictionaries;
  }

  static async open(
    spec: ModelSpec,
    dictionaries: readonly { readonly site: Site; readonly dictionary: Dictionary }[],
    positions: number,
    open: OpenGraph = openHere,
  ): Promise<ResponseScorer> {
    const edits = dictionaries.map((entry): Edit => ({ kind: 'features', ...entry }));
    const bySite = new Map(dictionaries.map((entry) => [siteName(entry.site), entry]));
    return new ResponseScorer(await open(responseGraph(spec, edits, positions)), bySite);
  }

  /**
   * Mean ln p of a response token under each intervention.
   * @param interventions features to change, by site name; an empty map changes nothing
   */
  async score(
    forced: ForcedResponse,
    interventions: readonly ReadonlyMap<string, FeatureEdit>[],
    rowsPerRun = 32,
  ): Promise<number[]> {
    const { prompt, response } = forced;
    if (prompt.length === 0 || response.length === 0) {
      throw new ScanError('E_SAE', 'attribution needs a prompt and a response');
    }
    const tokens = [...prompt, ...response];
    const length = tokens.length;
    // The last position predicts nothing that is scored; its weight is zero.
    const weight = tokens.map((_, i) =>
      i >= prompt.length - 1 && i < length - 1 ? 1 / response.length : 0,
    );
    const targets = [...tokens.slice(1), 0];
    const scores: number[] = [];
    for (let start = 0; start < interventions.length; start += rowsPerRun) {
      const rows = interventions.slice(start, start + rowsPerRun);
      const repeated = <T>(list: readonly T[]): T[] => rows.flatMap(() => list);
      const outputs = await this.#graph.run({
        ids: ids(repeated(tokens), [rows.length, length]),
        targets: ids(repeated(targets), [rows.length * length]),
        weight: floats(repeated(weight), [rows.length, length]),
        ...this.#editFeeds(rows),
      });
      scores.push(...f32Output(outputs, 'score'));
    }
    return scores;
  }

  #editFeeds(rows: readonly ReadonlyMap<string, FeatureEdit>[]) {
    return Object.assign(
      {},
      ...[...this.#dictionaries].map(([name, { site, dictionary }]) =>
        featureFeeds(
          site,
          dictionary.featureCount,
          rows.map((row) => row.get(name) ?? {}),
        ),
      ),
    );
  }

  async close(): Promise<void> {
    await this.#graph.close();
  }
}

/** Effects of removing each feature alone, largest first. */
export async function attributeFeatures(
  scorer: ResponseScorer,
  responses: readonly ForcedResponse[],
  features: readonly FeatureRef[],
): Promise<Attribution[]> {
  const interventions = [
    new Map<string, FeatureEdit>(),
    ...features.map(({ site, feature }) => new Map([[siteName(site), { remove: [feature] }]])),
  ];
  const effects = features.map((): number[] => []);
  for (const forced of responses) {
    const [untouched, ...removed] = await scorer.score(forced, interventions);
    removed.forEach((score, i) => {
      effects[i]?.push((untouched as number) - score);
    });
  }
  return features
    .map((ref, i) => {
      const list = effects[i] ?? [];
      const effect = list.reduce((sum, value) => sum + value, 0) / Math.max(1, list.length);
      return { ...ref, effect, effects: list };
    })
    .sort((a, b) => b.effect - a.effect || a.site.layer - b.site.layer || a.feature - b.feature);
}

/**
 * Features that fire about as often as the chosen ones, none of them in the pool: what a causal claim is held against.
 * @param densities firing share of each feature on the text at hand
 */
export function densityMatched(
  densities: ArrayLike<number>,
  chosen: readonly number[],
  excluded: ReadonlySet<number>,
): number[] {
  const taken = new Set([...excluded, ...chosen]);
  return chosen.flatMap((feature) => {
    const wanted = densities[feature] as number;
    let best: number | undefined;
    for (let candidate = 0; candidate < densities.length; candidate++) {
      if (taken.has(candidate)) continue;
      const distance = Math.abs((densities[candidate] as number) - wanted);
      if (best === undefined || distance < Math.abs((densities[best] as number) - wanted)) {
        best = candidate;
      }
    }
    if (best === undefined) return [];
    taken.add(best);
    return [best];
  });
}
