/**
 * Interventions inside a pass, chosen by graph inputs, so that one session serves many: remove, scale, clamp or add
 * features; project a direction out or push along one. Only the change is decoded, x' = x + (z' - z) D, so neither
 * the reconstruction error nor a second encoding enters (exact while decoding is linear).
 */

import type { Feeds, FeedValue } from '../engine/session.ts';
import { ScanError } from '../errors.ts';
import { shapeVector } from '../model/emit/attention.ts';
import type { SiteVisitor } from '../model/emit/forward.ts';
import { type Site, siteName } from '../model/graphs/activations.ts';
import { type Graph, int, type Value } from '../onnx/graph.ts';
import type { Dictionary } from './dictionary.ts';
import { type DictionaryValues, declareDictionary, emitDelta, emitEncode } from './emit.ts';

/**
 * Inputs of `features`: `keep.<site>` and `add.<site>`, f32 [R, features]: z' = z · keep + add.
 * Inputs of `direction`: `along.<site>` [R, width], unit length; `remove.<site>` [R, 1], the share of the component
 * along it that is taken out; `push.<site>` [R, width], added.
 * Inputs of `patch`: `mask.<site>` [R, positions or 1, width] and `source.<site>` [R, positions or 1, width]:
 * x' = x + mask · (source - x).
 * R is the number of sequences, or 1 for the same edit of all.
 */
export type Edit =
  | { readonly kind: 'features'; readonly site: Site; readonly dictionary: Dictionary }
  | { readonly kind: 'direction'; readonly site: Site; readonly width: number }
  /** Values from another run; for passes over whole sequences, not for generation. */
  | { readonly kind: 'patch'; readonly site: Site; readonly width: number };

interface DeclaredEdit {
  readonly edit: Edit;
  readonly inputs: readonly Value[];
  readonly values?: DictionaryValues;
}

/**
 * Makes the `visit` option of one graph. Its first call must be for the outermost graph, which gets the inputs and
 * weights; loop bodies see them from there.
 */
export function editVisitor(edits: readonly Edit[]): (g: Graph) => SiteVisitor {
  let declared: ReadonlyMap<string, DeclaredEdit> | undefined;
  return (g) => {
    declared ??= new Map(edits.map((edit) => [siteName(edit.site), declareEdit(g, edit)]));
    if (declared.size < edits.length) throw new Error('two edits at one site');
    const bySite = declared;
    return (kind, layer, x) => {
      const found = bySite.get(siteName({ kind, layer }));
      return found === undefined ? x : emitEdit(g, found, x);
    };
  };
}

function declareEdit(g: Graph, edit: Edit): DeclaredEdit {
  const site = siteName(edit.site);
  if (edit.site.kind.endsWith('_normalized')) {
    // A fused norm never visits it, and an edit that does nothing would look like a feature without effect.
    throw new ScanError('E_SAE', `${site} can be read, not edited`);
  }
  const input = (name: string, width: number) =>
    g.input(`${name}.${site}`, 'f32', [`edits.${site}.${name}`, width]);
  if (edit.kind === 'patch') {
    const block = (name: string) =>
      g.input(`${name}.${site}`, 'f32', [`${name}.${site}.R`, `${name}.${site}.P`, edit.width]);
    return { edit, inputs: [block('mask'), block('source')] };
  }
  if (edit.kind === 'direction') {
    const { width } = edit;
    return { edit, inputs: [input('along', width), input('remove', 1), input('push', width)] };
  }
  const { featureCount, role } = edit.dictionary;
  if (role === 'transcoder') {
    throw new ScanError('E_SAE', `a transcoder's features cannot be edited at ${site}`);
  }
  return {
    edit,
    inputs: [input('keep', featureCount), input('add', featureCount)],
    values: declareDictionary(g, edit.dictionary),
  };
}

/** @param x [sequences · rows of each, width]; how many rows a sequence has follows from the inputs' R */
function emitEdit(g: Graph, declared: DeclaredEdit, x: Value): Value {
  const sequences = g.op('Shape', [declared.inputs[0] as Value], { start: int(0), end: int(1) });
  const grouped = (value: Value, width: number) =>
    g.reshape(value, shapeVector(g, [sequences, -1, width]));
  if (declared.edit.kind === 'patch') {
    const { width } = declared.edit;
    const [mask, source] = declared.inputs as [Value, Value];
    const shaped = grouped(x, width);
    const patched = g.add(shaped, g.mul(mask, g.sub(source, shaped)));
    return g.reshape(patched, [-1, width]);
  }
  const [a, b, c] = declared.inputs.map((input) => g.unsqueeze(input, [1])) as [
    Value,
    Value,
    Value,
  ];
  if (declared.edit.kind === 'direction') {
    const { width } = declared.edit;
    const shaped = grouped(x, width);
    const component = g.reduce('Sum', g.mul(shaped, a), [2]);
    const edited = g.add(g.sub(shaped, g.mul(g.mul(component, b), a)), c);
    return g.reshape(edited, [-1, width]);
  }
  const { values } = declared;
  if (values === undefined) throw new Error('a feature edit without its dictionary');
  const { featureCount } = declared.edit.dictionary;
  const encoded = emitEncode(g, values, x);
  const features = grouped(encoded.features, featureCount);
  const change = g.add(g.mul(features, g.sub(a, g.f32(1))), b);
  return g.add(x, emitDelta(g, values, encoded, g.reshape(change, [-1, featureCount])));
}

/** What one sequence's features become; features not named stay as they are. */
export interface FeatureEdit {
  readonly remove?: readonly number[];
  /** Multiplies the feature. */
  readonly scale?: ReadonlyMap<number, number>;
  /** Adds a constant, fired or not. */
  readonly add?: ReadonlyMap<number, number>;
  /** Sets the feature to a constant. */
  readonly clamp?: ReadonlyMap<number, number>;
}

/** Inputs of a `features` edit, one row for each sequence (or one for all). */
export function featureFeeds(
  site: Site,
  featureCount: number,
  rows: readonly FeatureEdit[],
): Feeds {
  const keep = new Float32Array(rows.length * featureCount).fill(1);
  const add = new Float32Array(rows.length * featureCount);
  rows.forEach((row, index) => {
    const at = (feature: number): number => {
      if (!Number.isInteger(feature) || feature < 0 || feature >= featureCount) {
        throw new ScanError('E_SAE', `no feature ${feature} in a dictionary of ${featureCount}`);
      }
      return index * featureCount + feature;
    };
    for (const feature of row.remove ?? []) keep[at(feature)] = 0;
    for (const [feature, factor] of row.scale ?? []) keep[at(feature)] = factor;
    for (const [feature, amount] of row.add ?? []) add[at(feature)] = amount;
    for (const [feature, amount] of row.clamp ?? []) {
      keep[at(feature)] = 0;
      add[at(feature)] = amount;
    }
  });
  const name = siteName(site);
  const dims = [rows.length, featureCount];
  return { [`keep.${name}`]: f32(keep, dims), [`add.${name}`]: f32(add, dims) };
}

export interface DirectionEdit {
  /** Taken out; need not have unit length. Absent: nothing is. */
  readonly remove?: Float32Array;
  /** Share of the component that is taken out; 1 by default. */
  readonly share?: number;
  readonly push?: Float32Array;
}

/** Inputs of a `direction` edit. */
export function directionFeeds(site: Site, width: number, rows: readonly DirectionEdit[]): Feeds {
  const along = new Float32Array(rows.length * width);
  const remove = new Float32Array(rows.length);
  const push = new Float32Array(rows.length * width);
  rows.forEach((row, index) => {
    const norm = row.remove === undefined ? 0 : Math.hypot(...row.remove);
    if (row.remove !== undefined && norm > 0) {
      along.set(
        row.remove.map((value) => value / norm),
        index * width,
      );
      remove[index] = row.share ?? 1;
    }
    if (row.push !== undefined) push.set(row.push, index * width);
  });
  const name = siteName(site);
  return {
    [`along.${name}`]: f32(along, [rows.length, width]),
    [`remove.${name}`]: f32(remove, [rows.length, 1]),
    [`push.${name}`]: f32(push, [rows.length, width]),
  };
}

function f32(data: Float32Array, dims: readonly number[]): FeedValue {
  return { type: 'f32', data, dims };
}
