/**
 * Emits attention for rows that share a prefix. Rows are ordered [context, string, position]: `n` strings are
 * tried after each of `C` contexts, and a context's keys and values are stored once and broadcast by folding
 * the strings into matrix rows. A plain batch is the case of one string a context and no prefix.
 *
 * Layout inside: queries [C, keyValueHeads, n, S·G, headDim] with G query heads a key-value head.
 */
import { type Graph, int, type Value } from '../../onnx/graph.ts';
import type { AttentionSpec, HeadNormSpec, QkvSpec } from '../spec.ts';
import { emitLinear, emitNorm, emitRotary, splitLast } from './layers.ts';

export interface KeyValues {
  readonly keys: Value;
  readonly values: Value;
}

/** What attention needs to know of the rows it works on; one object serves all layers of a pass. */
export interface AttentionRows {
  /** i64 [1]: contexts. */
  readonly contexts: Value;
  /** i64 [1] or a known number: positions a string. */
  readonly length: Value | number;
  /** i64 [rows], position of each row. */
  readonly positions: Value;
  /** Rotary tables by layer's spec; shared where equal. */
  rotaryTables(spec: AttentionSpec): { readonly cos: Value; readonly sin: Value };
  /** [C, heads…, P, headDim] of the shared prefix. */
  prefix?(layer: number): KeyValues;
  /** Own earlier positions, [C, keyValueHeads, n, T, headDim]. */
  past?(layer: number): KeyValues;
  /** Added to the scores of own keys, broadcast to [C, keyValueHeads, n, S·G, T]. */
  ownBias(spec: AttentionSpec): Value | undefined;
  /** The same for the prefix's keys. */
  prefixBias?(spec: AttentionSpec): Value | undefined;
  /** Receives own keys and values, past included. */
  keep?(layer: number, own: KeyValues): void;
}

/** @param x [rows, width], normalised @returns [rows, width], before residual addition */
export function emitAttention(
  g: Graph,
  spec: AttentionSpec,
  layer: number,
  x: Value,
  rows: AttentionRows,
): Value {
  return emitLinear(g, spec.output, emitHeads(g, spec, layer, x, rows));
}

/** The heads' outputs side by side (`hook_z`), [rows, heads · headDim]. */
export function emitHeads(
  g: Graph,
  spec: AttentionSpec,
  layer: number,
  x: Value,
  rows: AttentionRows,
): Value {
  const { heads, keyValueHeads, headDim } = spec;
  const group = heads / keyValueHeads;
  const projected = emitQkv(g, spec, x);
  let query = emitHeadNorm(g, spec.queryNorm, projected.query, heads, headDim);
  let key = emitHeadNorm(g, spec.keyNorm, projected.key, keyValueHeads, headDim);
  if (spec.rotary !== undefined) {
    const tables = rows.rotaryTables(spec);
    query = emitRotary(g, spec.rotary, query, heads, headDim, rows.positions, tables);
    key = emitRotary(g, spec.rotary, key, keyValueHeads, headDim, rows.positions, tables);
  }
  const dims = (tail: readonly number[]) =>
    shapeVector(g, [rows.contexts, -1, rows.length, ...tail]);
  const split = g.reshape(query, dims([keyValueHeads, group, headDim]));
  const scaled = g.mul(g.transpose(split, [0, 3, 1, 2, 4, 5]), g.f32(spec.scale));
  const folded = g.reshape(scaled, [0, 0, 0, -1, headDim]);
  const toOwn = (value: Value) =>
    g.transpose(g.reshape(value, dims([keyValueHeads, headDim])), [0, 3, 1, 2, 4]);
  const own = withPast(g, rows.past?.(layer), {
    keys: toOwn(key),
    values: toOwn(projected.value),
  });
  rows.keep?.(layer, own);

  const ownScores = addBias(
    g,
    capped(g, spec, timesTransposed(g, folded, own.keys)),
    rows.ownBias(spec),
  );
  const prefix = rows.prefix?.(layer);
  let mixed: Value;
  if (prefix === undefined) {
    mixed = g.matmul(g.softmax(ownScores), own.values);
  } else {
    const flat = g.reshape(folded, [0, 0, -1, headDim]);
    const flatScores = capped(g, spec, timesTransposed(g, flat, prefix.keys));
    // [C, heads, n·S·G, P] becomes [C, heads, n, S·G, P] by the own scores' own first four sizes.
    const ownShape = g.op('Shape', [ownScores], { end: int(4) });
    const prefixLength = g.op('Shape', [prefix.keys], { start: int(2), end: int(3) });
    const prefixScores = addBias(
      g,
      g.reshape(flatScores, g.concat([ownShape, prefixLength], 0)),
      rows.prefixBias?.(spec),
    );
    const weights = g.softmax(g.concat([prefixScores, ownScores], -1));
    const sizes = g.concat(
      [prefixLength, g.op('Shape', [own.keys], { start: int(3), end: int(4) })],
      0,
    );
    const [toPrefix, toSelf] = g.ops('Split', [weights, sizes], 2, { axis: int(-1) }) as [
      Value,
      Value,
    ];
    const flatWeights = g.reshape(toPrefix, g.concat([g.i64([0, 0, -1]), prefixLength], 0));
    const fromPrefix = g.reshape(
      g.matmul(flatWeights, prefix.values),
      g.concat([ownShape, g.i64([headDim])], 0),
    );
    mixed = g.add(fromPrefix, g.matmul(toSelf, own.values));
  }
  const unfolded = g.reshape(mixed, shapeVector(g, [0, 0, 0, rows.length, group, headDim]));
  return g.reshape(g.transpose(unfolded, [0, 2, 3, 1, 4, 5]), [-1, heads * headDim]);
}

/** Query, key and value, [rows, heads, headDim] each. */
function emitQkv(
  g: Graph,
  { qkv, heads, keyValueHeads, headDim }: AttentionSpec,
  x: Value,
): { query: Value; key: Value; value: Value } {
  const toHeads = (value: Value, count: number) => g.reshape(value, [-1, count, headDim]);
  if (qkv.kind === 'separate') {
    return {
      query: toHeads(emitLinear(g, qkv.query, x), heads),
      key: toHeads(emitLinear(g, qkv.key, x), keyValueHeads),
      value: toHeads(emitLinear(g, qkv.value, x), keyValueHeads),
    };
  }
  const fused = emitLinear(g, qkv.weight, x);
  const [query, key, value] = splitFused(g, qkv, fused, heads, keyValueHeads, headDim);
  return {
    query: toHeads(query, heads),
    key: toHeads(key, keyValueHeads),
    value: toHeads(value, keyValueHeads),
  };
}

function splitFused(
  g: Graph,
  qkv: Extract<QkvSpec, { kind: 'fused' }>,
  fused: Value,
  heads: number,
  keyValueHeads: number,
  headDim: number,
): [Value, Value, Value] {
  if (qkv.order === 'stacked') {
    const shared = keyValueHeads * headDim;
    return splitLast(g, fused, [heads * headDim, shared, shared]) as [Value, Value, Value];
  }
  const group = heads / keyValueHeads;
  const parts = qkv.order === 'per-head' ? [1, 1, 1] : [group, 1, 1];
  const count = parts.reduce((sum, n) => sum + n, 0);
  const split = g.reshape(fused, [-1, keyValueHeads, count, headDim]);
  return g.ops('Split', [split, g.i64(parts)], 3, { axis: int(2) }) as [Value, Value, Value];
}

function emitHeadNorm(
  g: Graph,
  spec: HeadNormSpec | undefined,
  x: Value,
  heads: number,
  headDim: number,
): Value {
  if (spec === undefined) return x;
  if (spec.over === 'head') {
    const normed = emitNorm(g, spec.norm, x);
    if (spec.gains === undefined) return normed;
    const gains = g.concat(
      spec.gains.map((gain) => g.external(gain)),
      0,
    );
    return g.mul(normed, g.reshape(gains, [1, heads, headDim]));
  }
  const flat = g.reshape(x, [-1, heads * headDim]);
  return g.reshape(emitNorm(g, spec.norm, flat), [-1, heads, headDim]);
}

function withPast(g: Graph, past: KeyValues | undefined, now: KeyValues): KeyValues {
  if (past === undefined) return now;
  return {
    keys: g.concat([past.keys, now.keys], 3),
    values: g.concat([past.values, now.values], 3),
  };
}

function timesTransposed(g: Graph, a: Value, b: Value): Value {
  return g.op('FusedMatMul', [a, b], { transB: int(1) }, 'com.microsoft');
}

function capped(g: Graph, { softcap }: AttentionSpec, scores: Value): Value {
  if (softcap === undefined) return scores;
  return g.mul(g.op('Tanh', [g.div(scores, g.f32(softcap))]), g.f32(softcap));
}

function addBias(g: Graph, scores: Value, bias: Value | undefined): Value {
  return bias === undefined ? scores : g.add(scores, bias);
}

/** A shape vector from known numbers and i64 [1] values. */
export function shapeVector(g: Graph, parts: readonly (number | Value)[]): Value {
  if (parts.every((part) => typeof part === 'number')) return g.i64(parts);
  const pieces: Value[] = [];
  let run: number[] = [];
  const flush = () => {
    if (run.length > 0) pieces.push(g.i64(run));
    run = [];
  };
  for (const part of parts) {
    if (typeof part === 'number') {
      run.push(part);
    } else {
      flush();
      pieces.push(part);
    }
  }
  flush();
  return g.concat(pieces, 0);
}
