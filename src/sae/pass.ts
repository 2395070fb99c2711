/**
 * The SAE pass: a model up to its last site with dictionaries encoded inside the graph. Only sparse results leave it:
 * the strongest features of each token and per-feature sums; the dense feature matrix never does.
 */
import { ScanError } from '../errors.ts';
import type { SiteKind } from '../model/emit/forward.ts';
import {
  emitSpan,
  lastBlock,
  plainBatch,
  type Site,
  type Span,
  siteName,
  spanHolds,
  wholeSpan,
} from '../model/graphs/activations.ts';
import type { ModelSpec } from '../model/spec.ts';
import { type Graph, int, type Value } from '../onnx/graph.ts';
import type { Dictionary } from './dictionary.ts';
import { declareDictionary, emitDecode, emitEncode } from './emit.ts';

export interface PassOptions {
  /** Longest sequence. */
  readonly positions: number;
  /** Strongest features that each token keeps. */
  readonly top: number;
  readonly padded?: boolean;
  /** Only these blocks, and the dictionaries at sites that lie in them. */
  readonly span?: Span;
}

export type SiteDictionaries = ReadonlyMap<
  string,
  { readonly site: Site; readonly dictionary: Dictionary }
>;

/** Blocks that must run for the last of the sites: the pass ends there. */
export function passBlocks(spec: ModelSpec, dictionaries: SiteDictionaries): number {
  return lastBlock(
    spec,
    [...dictionaries.values()].map(({ site }) => site),
    false,
  );
}

/**
 * Inputs: `ids` i64 [batch, length]; `weight` f32 [rows], 0 for tokens that do not count; `lengths` if padded.
 * Outputs for each dictionary's site: `values.<site>` f32 and `features.<site>` i64, [rows, up to top], strongest
 * first (a value of 0 fills the list); `active.<site>` [rows], active features; `error.<site>` and `power.<site>` [rows],
 * squared norms of the reconstruction error and of the activation; `count.<site>`, `sum.<site>`, `max.<site>`
 * [features] over the rows that count.
 */
export function passGraph(
  spec: ModelSpec,
  dictionaries: SiteDictionaries,
  options: PassOptions,
): Graph {
  const batch = plainBatch(spec, options.positions, options);
  const { graph: g } = batch;
  const weight = g.input('weight', 'f32', ['rows']);
  const span = options.span ?? wholeSpan(passBlocks(spec, dictionaries));
  const sites = [...dictionaries.values()].map(({ site }) => site);
  const missing = new Set(sites.filter((site) => spanHolds(spec, span, site)).map(siteName));
  const visit = (kind: SiteKind, layer: number, x: Value): Value => {
    const name = siteName({ kind, layer });
    const found = dictionaries.get(name);
    if (found !== undefined && missing.delete(name)) {
      emitStatistics(g, found.dictionary, x, weight, name, options.top);
    }
    return x;
  };
  const splitNorms = sites.some(({ kind }) => kind.endsWith('_normalized'));
  const x = emitSpan(batch, spec, span, { visit, splitNorms });
  // The stream before a block that is not emitted is the stream after the last one that is.
  visit('resid_pre', span.end, x);
  if (missing.size > 0) {
    throw new ScanError('E_SAE', `this model has no site ${[...missing].join(', ')}`);
  }
  return g;
}

/** A TopK gate leaves k features; twice that has room for equal values, which are kept together. */
function keptPerToken({ gate, featureCount }: Dictionary, top: number): number {
  const live = 'k' in gate ? 2 * gate.k : featureCount;
  return Math.min(top, live, featureCount);
}

function emitStatistics(
  g: Graph,
  dictionary: Dictionary,
  x: Value,
  weight: Value,
  name: string,
  top: number,
): void {
  const values = declareDictionary(g, dictionary);
  const encoded = emitEncode(g, values, x);
  const { features } = encoded;
  const count = keptPerToken(dictionary, top);
  const [strength, indices] = g.ops('TopK', [g.op('Abs', [features]), g.i64([count])], 2, {
    axis: int(-1),
  }) as [Value, Value];
  const signed =
    dictionary.gate.kind === 'abs-topk'
      ? g.op('GatherElements', [features, indices], { axis: int(1) })
      : strength;
  g.output(`values.${name}`, signed, 'f32', ['rows', count]);
  g.output(`features.${name}`, indices, 'i64', ['rows', count]);

  const active = g.op('Abs', [g.op('Sign', [features])]);
  const counted = g.unsqueeze(weight, [0]);
  const overRows = (matrix: Value) => g.op('Squeeze', [g.matmul(counted, matrix), g.i64([0])]);
  const column = g.unsqueeze(weight, [1]);
  g.output(`active.${name}`, g.reduce('Sum', active, [1], false), 'f32', ['rows']);
  g.output(`count.${name}`, overRows(active), 'f32', ['features']);
  g.output(`sum.${name}`, overRows(features), 'f32', ['features']);
  const strongest = g.reduce('Max', g.mul(features, column), [0], false);
  g.output(`max.${name}`, strongest, 'f32', ['features']);
  g.output(`power.${name}`, g.reduce('Sum', g.mul(x, x), [1], false), 'f32', ['rows']);
  if (dictionary.role === 'autoencoder') {
    const error = g.sub(emitDecode(g, values, encoded, x), x);
    g.output(`error.${name}`, g.reduce('Sum', g.mul(error, error), [1], false), 'f32', ['rows']);
  }
}
