/**
 * The part that all graphs over "contexts times strings" share: C contexts of one length P are run once,
 * and n strings after each of them, padded on the left to one length S, read the contexts' keys and values.
 *
 * Inputs: `contexts` i64 [C, P]; `strings` i64 [C·n, S]; `padding` i64 [C·n], padding ids before each string.
 */
import { Graph, int, type Value } from '../../onnx/graph.ts';
import { type AttentionRows, type KeyValues, shapeVector } from '../emit/attention.ts';
import { emitForward, type SiteVisitor } from '../emit/forward.ts';
import { attentionRows, PADDING_POSITION, RotaryTables } from '../emit/rows.ts';
import type { ModelSpec } from '../spec.ts';

export interface PrefixedRows {
  readonly graph: Graph;
  readonly tables: RotaryTables;
  /** i64 [1] each. */
  readonly contexts: Value;
  readonly contextLength: Value;
  /** i64 [C·n, S] */
  readonly strings: Value;
  readonly stringLength: Value;
  /** i64 [C, n, S], padding marked. */
  readonly positions: Value;
  readonly prefix: (layer: number) => KeyValues;
  readonly prefixPositions: Value;
  /** Rows of the strings, [C·n·S]. */
  readonly rows: AttentionRows;
  readonly ids: Value;
  /** Own keys and values by layer, filled when the strings' pass is emitted. */
  readonly kept: KeyValues[];
}

export function prefixedRows(
  spec: ModelSpec,
  maxPositions: number,
  visit?: SiteVisitor,
): PrefixedRows {
  const g = new Graph();
  const contextIds = g.input('contexts', 'i64', ['contexts', 'contextLength']);
  const strings = g.input('strings', 'i64', ['rows', 'stringLength']);
  const padding = g.input('padding', 'i64', ['rows']);
  const size = (value: Value, axis: number) =>
    g.op('Shape', [value], { start: int(axis), end: int(axis + 1) });
  const contexts = size(contextIds, 0);
  const contextLength = size(contextIds, 1);
  const stringLength = size(strings, 1);
  const tables = new RotaryTables(g, maxPositions);

  const prefixRange = range(g, contextLength);
  const prefixPositions = g.op('Expand', [
    g.reshape(prefixRange, [1, -1]),
    g.concat([contexts, contextLength], 0),
  ]);
  const prefixKept: KeyValues[] = [];
  const contextPositions = g.unsqueeze(prefixPositions, [1]);
  emitForward(
    g,
    spec,
    g.reshape(contextIds, [-1]),
    attentionRows(g, {
      contexts,
      length: contextLength,
      queryPositions: contextPositions,
      keyPositions: contextPositions,
      causal: spec.causal,
      tables,
      keep: (layer, own) => {
        prefixKept[layer] = own;
      },
    }),
    visit === undefined ? {} : { visit },
  );
  // One string a context so far: [C, heads, 1, P, headDim] becomes [C, heads, P, headDim].
  const prefixCache = prefixKept.map(({ keys, values }) => ({
    keys: g.op('Squeeze', [keys, g.i64([2])]),
    values: g.op('Squeeze', [values, g.i64([2])]),
  }));
  const prefix = (layer: number): KeyValues => cached(prefixCache, layer);

  const offset = g.sub(range(g, stringLength), g.unsqueeze(padding, [1]));
  const isPadding = g.op('Less', [offset, g.i64(0)]);
  const flat = g.op('Where', [isPadding, g.i64(PADDING_POSITION), g.add(offset, contextLength)]);
  const positions = g.reshape(flat, shapeVector(g, [contexts, -1, stringLength]));
  const kept: KeyValues[] = [];
  const rows = attentionRows(g, {
    contexts,
    length: stringLength,
    queryPositions: positions,
    keyPositions: positions,
    prefixPositions,
    causal: spec.causal,
    tables,
    prefix,
    keep: (layer, own) => {
      kept[layer] = own;
    },
  });
  return {
    graph: g,
    tables,
    contexts,
    contextLength,
    strings,
    stringLength,
    positions,
    prefix,
    prefixPositions,
    rows,
    ids: g.reshape(strings, [-1]),
    kept,
  };
}

export function cached(cache: readonly KeyValues[], layer: number): KeyValues {
  const entry = cache[layer];
  if (entry === undefined) throw new Error(`layer ${layer} has no cached keys`);
  return entry;
}

function range(g: Graph, length: Value): Value {
  return g.op('Range', [g.i64(0), g.op('Squeeze', [length]), g.i64(1)]);
}

/** Rows of the last position of each string, from [C·n·S, width] to [C·n, width]. */
export function lastPosition(g: Graph, x: Value, stringLength: Value, width: number): Value {
  const shaped = g.reshape(x, shapeVector(g, [-1, stringLength, width]));
  return g.op('Squeeze', [
    g.op('Slice', [shaped, g.i64([-1]), g.i64([Number.MAX_SAFE_INTEGER]), g.i64([1])]),
    g.i64([1]),
  ]);
}
