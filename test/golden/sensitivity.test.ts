/**
 * Do the golden fixtures notice a wrong description? Each number, choice and part of a model's last block, embedding
 * and heads is changed in turn, and the outputs must leave transformers' by more than the tolerance. Some minutes:
 * runs where NARROWFIRE_SLOW is set.
 */
import { expect, test } from 'vitest';
import { f32Output, ids as feed, Session } from '../../src/engine/session.ts';
import { ScanError } from '../../src/errors.ts';
import { activationsGraph } from '../../src/model/graphs/activations.ts';
import { embedGraph } from '../../src/model/graphs/embed.ts';
import type { ModelSpec } from '../../src/model/spec.ts';
import { type GoldenCase, goldenNames, largestDifference, openGolden } from './golden-case.ts';

type Tree = Record<string, unknown>;

/** What stands in for a choice. */
const OTHER: Readonly<Record<string, string>> = {
  half: 'interleaved',
  interleaved: 'half',
  sequential: 'parallel',
  parallel: 'sequential',
  silu: 'gelu',
  gelu: 'relu',
  'gelu-tanh': 'relu',
  relu: 'gelu',
  tanh: 'relu',
  stacked: 'per-head',
  'per-head': 'stacked',
  grouped: 'stacked',
  first: 'last',
  last: 'first',
};

/** Fields that are not read where they stand, or that change nothing by arithmetic. */
const INERT: readonly RegExp[] = [
  /\.hidden$/, // sizes a split only where gate and up are fused
  /weightOffset$/, // read for RMSNorm only, and tried there by Gemma
  /modulesAdd$|classifier\.labels$/, // names only
  /attention\.qkv\.key\.bias$/, // without rotary positions it shifts all scores of a query alike
  /relativeBias\.maxDistance$/, // moves far buckets, which short texts do not reach
  /positions\.offset$/, // a multiple of zero is zero
];

/** The same for single fixtures. */
const INERT_IN: Readonly<Record<string, RegExp>> = {
  falcon: /qkv\.order$/, // one key-value head: grouped is stacked
  stablelm: /rotary\.style$/, // two dimensions rotate: both styles are one
  'gpt_neox-sequential': /rotary\.style$/,
};

function isTensor(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'dtype' in value;
}

function pathsIn(value: unknown, at: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || isTensor(value)) return [[...at]];
  const numbers = Array.isArray(value) && value.every((item) => typeof item === 'number');
  const inside = numbers
    ? []
    : Object.entries(value).flatMap(([key, item]) => pathsIn(item, [...at, key]));
  return [[...at], ...inside];
}

/** A copy with the value at `path` changed or taken away; undefined where there is nothing else to try. */
function changed(value: unknown, [key = '', ...rest]: readonly string[]): unknown {
  const copy = (Array.isArray(value) ? [...value] : { ...(value as Tree) }) as Tree;
  const old = copy[key];
  if (rest.length > 0) {
    const inner = changed(old, rest);
    if (inner === undefined) return undefined;
    copy[key] = inner;
    return copy;
  }
  if (typeof old === 'number') {
    copy[key] = key === 'epsilon' ? 0.1 : key === 'window' ? old + 1 : old * 1.5;
  } else if (typeof old === 'boolean') copy[key] = !old;
  else if (Array.isArray(old) && typeof old[0] === 'number') copy[key] = old.map((n) => n * 1.5);
  else if (typeof old === 'string') {
    if (OTHER[old] === undefined) return undefined;
    copy[key] = OTHER[old];
  } else delete copy[key];
  return copy;
}

/** Whether the outputs leave the stored ones; a graph that cannot be built or run is noticed too. */
async function isNoticed(golden: GoldenCase, spec: ModelSpec): Promise<boolean> {
  const { ids, lengths, length, tensors } = golden;
  const names = tensors.has('logits')
    ? ['logits']
    : ['embedding', ...(tensors.has('classes') ? ['classes'] : [])];
  try {
    const graph = tensors.has('logits')
      ? activationsGraph(spec, [], { logits: true, positions: length, padded: true })
      : embedGraph({ ...spec, pooling: { kind: 'mean', normalise: true } }, { positions: length });
    const session = await Session.open(graph, { device: 'cpu' });
    const outputs = await session.run({
      ids: feed(ids, [lengths.length, length]),
      lengths: feed(lengths, [lengths.length]),
    });
    await session.close();
    return names.some((name) => {
      const expected = tensors.get(name);
      const actual = f32Output(outputs, name);
      if (expected === undefined || expected.data.length !== actual.length) return true;
      if (name === 'logits') return !(largestDifference(golden, expected, actual) < 1e-4);
      return actual.some((value, i) => !(Math.abs(value - (expected.data[i] ?? 0)) < 1e-4));
    });
  } catch (thrown) {
    if (thrown instanceof ScanError || thrown instanceof Error) return true;
    throw thrown;
  }
}

const slow = process.env['NARROWFIRE_SLOW'] !== undefined;

test.skipIf(!slow).each(goldenNames().filter((name) => !/^(?:stories260K|nano-sort)$/.test(name)))(
  '%s notices every change',
  async (name) => {
    const golden = openGolden(name);
    const { spec } = golden;
    const last = spec.blocks.length - 1;
    const { embedding, finalNorm, head, classifier } = spec;
    const parts = { blocks: { [last]: spec.blocks[last] }, embedding, finalNorm, head, classifier };
    const unnoticed: string[] = [];
    for (const path of pathsIn(JSON.parse(JSON.stringify(parts)))) {
      const text = path.join('.');
      if (path.length < 2 || text === `blocks.${last}`) continue;
      if (INERT.some((inert) => inert.test(text)) || INERT_IN[name]?.test(text) === true) continue;
      const other = changed(spec, path);
      if (other === undefined || (await isNoticed(golden, other as ModelSpec))) continue;
      unnoticed.push(text);
    }
    expect(unnoticed).toEqual([]);
  },
  600_000,
);
