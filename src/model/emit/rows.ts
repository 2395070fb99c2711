/** Position bookkeeping for attention: who may see whom, padding, windows, ALiBi, rotary tables. */
import { type Graph, int, type Value } from '../../onnx/graph.ts';
import type { AlibiSpec, AttentionSpec, RelativeBiasSpec } from '../spec.ts';
import { type AttentionRows, type KeyValues, shapeVector } from './attention.ts';
import { emitRotaryTables } from './layers.ts';

/** A key at this position or later is padding: no query is ever that late. */
export const PADDING_POSITION = 1 << 30;
const MASKED = -1e30;

/** Rotary tables, one pair for each distinct rotary description of a model. */
export class RotaryTables {
  readonly #graph: Graph;
  readonly #positions: number;
  readonly #tables = new Map<string, { cos: Value; sin: Value }>();

  constructor(graph: Graph, positions: number) {
    this.#graph = graph;
    this.#positions = positions;
  }

  of(spec: AttentionSpec): { cos: Value; sin: Value } {
    if (spec.rotary === undefined) throw new Error('attention has no rotary embedding');
    const key = JSON.stringify(spec.rotary);
    let tables = this.#tables.get(key);
    if (tables === undefined) {
      tables = emitRotaryTables(this.#graph, spec.rotary, this.#positions);
      this.#tables.set(key, tables);
    }
    return tables;
  }
}

export interface RowLayout {
  readonly contexts: Value;
  readonly length: Value | number;
  /** i64 [C, n, S]; padding rows hold `PADDING_POSITION`. */
  readonly queryPositions: Value;
  /** i64 [C, n, T], past included; padding as above. */
  readonly keyPositions: Value;
  /** i64 [C, P] or [1, P]. */
  readonly prefixPositions?: Value;
  readonly causal: boolean;
  /** Every token sees every other: not causal, and nothing is padding. */
  readonly allVisible?: boolean;
  readonly tables: RotaryTables;
  readonly prefix?: (layer: number) => KeyValues;
  readonly past?: (layer: number) => KeyValues;
  readonly keep?: (layer: number, own: KeyValues) => void;
}

/** Builds what attention needs; biases are emitted once for each distinct window and slope set. */
export function attentionRows(g: Graph, layout: RowLayout): AttentionRows {
  const biases = new Map<string, Value>();
  const bias = (spec: AttentionSpec, keyPositions: Value, own: boolean): Value => {
    const shape = `${spec.heads}:${spec.keyValueHeads}`;
    const table = spec.relativeBias?.table.name;
    const key = `${own}:${spec.window}:${JSON.stringify(spec.alibi)}:${table}:${shape}`;
    let value = biases.get(key);
    if (value === undefined) {
      value = emitBias(g, spec, layout, keyPositions);
      biases.set(key, value);
    }
    return value;
  };
  const clamped = g.op('Min', [layout.queryPositions, g.i64(PADDING_POSITION - 1)]);
  // A padding row still needs a table row; its result is never read.
  const isPadding = g.op('GreaterOrEqual', [layout.queryPositions, g.i64(PADDING_POSITION)]);
  const positions = g.reshape(g.op('Where', [isPadding, g.i64(0), clamped]), [-1]);
  const { prefix, past, keep, prefixPositions } = layout;
  return {
    contexts: layout.contexts,
    length: layout.length,
    positions,
    rotaryTables: (spec) => layout.tables.of(spec),
    ownBias: (spec) =>
      layout.allVisible === true && !biasedByDistance(spec)
        ? undefined
        : bias(spec, layout.keyPositions, true),
    ...(prefix !== undefined && { prefix }),
    ...(past !== undefined && { past }),
    ...(keep !== undefined && { keep }),
    ...(prefixPositions !== undefined && {
      // Every prefix key is earlier than every own query, so only distance can matter.
      prefixBias: (spec: AttentionSpec) =>
        biasedByDistance(spec) ? bias(spec, g.unsqueeze(prefixPositions, [1]), false) : undefined,
    }),
  };
}

function biasedByDistance({ window, alibi, relativeBias }: AttentionSpec): boolean {
  return window !== undefined || alibi !== undefined || relativeBias !== undefined;
}

/** @returns [C, 1 or keyValueHeads, n, S·G, T] */
function emitBias(g: Graph, spec: AttentionSpec, layout: RowLayout, keyPositions: Value): Value {
  const group = spec.heads / spec.keyValueHeads;
  const query = g.unsqueeze(layout.queryPositions, [1, 4, 5]);
  const key = g.unsqueeze(keyPositions, [1, 3, 4]);
  const visible = layout.causal
    ? g.op('LessOrEqual', [key, query])
    : g.op('Less', [key, g.i64(PADDING_POSITION)]);
  const distance = g.sub(query, key);
  const near =
    spec.window === undefined
      ? visible
      : g.op('And', [visible, g.op('Less', [distance, g.i64(spec.window)])]);
  // [C, 1, n, S, 1, T]
  let bias = g.op('Where', [near, g.f32(0), g.f32(MASKED)]);
  if (spec.alibi !== undefined) {
    const penalty = emitAlibi(g, spec.alibi, [1, spec.keyValueHeads, 1, 1, group, 1], key);
    bias = g.op('Where', [near, penalty, g.f32(MASKED)]);
  } else if (spec.relativeBias !== undefined) {
    const learned = emitRelativeBias(g, spec, spec.relativeBias, distance);
    bias = g.op('Where', [near, learned, g.f32(MASKED)]);
  } else if (layout.length !== 1 && group > 1) {
    bias = g.op('Expand', [bias, g.i64([1, 1, 1, 1, group, 1])]);
  }
  // [C, heads, n, S, G, T] becomes [C, heads, n, S·G, T]; G stays 1 where it broadcasts.
  const keys = g.op('Shape', [bias], { start: int(5), end: int(6) });
  return g.reshape(bias, shapeVector(g, [0, 0, 0, -1, keys]));
}

/**
 * The penalty by key position instead of by distance: softmax takes no notice of what all keys of a query share.
 * @param key i64, positions of keys @returns f32, broadcast of `shape` and `key`
 */
function emitAlibi(g: Graph, spec: AlibiSpec, shape: readonly number[], key: Value): Value {
  const rounded = (value: Value) =>
    spec.rounded === undefined ? value : g.cast(g.cast(value, 'bf16'), 'f32');
  const slopes = rounded(g.f32(spec.slopes, shape));
  const penalty = rounded(g.mul(rounded(g.cast(key, 'f32')), slopes));
  return spec.factor === 1 ? penalty : g.mul(penalty, g.f32(spec.factor));
}

/** @param distance i64 [C, 1, n, S, 1, T], query minus key @returns f32 [C, keyValueHeads, n, S, G, T] */
function emitRelativeBias(
  g: Graph,
  { heads, keyValueHeads }: AttentionSpec,
  { table, maxDistance }: RelativeBiasSpec,
  distance: Value,
): Value {
  const buckets = relativeBuckets(table.shape[0] ?? 0, maxDistance);
  const clipped = g.op('Clip', [distance, g.i64(-maxDistance, []), g.i64(maxDistance, [])]);
  const index = g.gather(g.i64(buckets), g.add(clipped, g.i64(maxDistance)));
  const byHead = g.gather(g.external(table), g.op('Squeeze', [index, g.i64([1, 4])]));
  // [C, n, S, T, heads] becomes [C, keyValueHeads, n, S, G, T].
  const group = heads / keyValueHeads;
  const sizes = g.op('Shape', [byHead], { start: int(0), end: int(4) });
  const split = g.reshape(byHead, g.concat([sizes, g.i64([keyValueHeads, group])], 0));
  return g.transpose(split, [0, 4, 1, 2, 5, 3]);
}

/**
 * Bucket of each distance from -maxDistance to maxDistance (query minus key): half of them for either side, exact
 * when near and logarithmic when far (Raffel et al. 2020, T5, bidirectional).
 */
export function relativeBuckets(count: number, maxDistance: number): number[] {
  const side = Math.floor(count / 2);
  const exact = Math.floor(side / 2);
  return Array.from({ length: 2 * maxDistance + 1 }, (_, i) => {
    const distance = i - maxDistance;
    const far = Math.abs(distance);
    const share = Math.log(far / exact) / Math.log(maxDistance / exact);
    const large = Math.min(side - 1, exact + Math.trunc(Math.fround(share * (side - exact))));
    return (distance < 0 ? side : 0) + (far < exact ? far : large);
  });
}
