/** Graph that reads sites and logits of a plain batch; emitted only as far as the last site asked for. */
import { ScanError } from '../../errors.ts';
import { Graph, int, type Value } from '../../onnx/graph.ts';
import { type AttentionRows, shapeVector } from '../emit/attention.ts';
import { emitFinalState, emitForward, emitLogits, type SiteKind } from '../emit/forward.ts';
import { attentionRows, PADDING_POSITION, RotaryTables } from '../emit/rows.ts';
import type { ModelSpec } from '../spec.ts';

export interface Site {
  readonly kind: SiteKind;
  readonly layer: number;
}

/** Kinds that exist once a model, not once a block. */
const WHOLE_MODEL: ReadonlySet<SiteKind> = new Set(['embed', 'final_normalized', 'final']);

/** `resid_post.3`, or `final` for the kinds that have no layer. */
export function siteName({ kind, layer }: Site): string {
  return WHOLE_MODEL.has(kind) ? kind : `${kind}.${layer}`;
}

/** Blocks that must run before a site has its value. */
export function blocksBefore(spec: ModelSpec, { kind, layer }: Site): number {
  if (kind === 'final' || kind === 'final_normalized') return spec.blocks.length;
  if (kind === 'embed') return 0;
  return kind === 'resid_pre' ? layer : layer + 1;
}

export interface PlainBatch {
  readonly graph: Graph;
  /** i64 [rows], flattened. */
  readonly ids: Value;
  readonly rows: AttentionRows;
  /** i64 [2], batch and length. */
  readonly shape: Value;
  /** i64 [batch], the input of that name; absent when nothing is padded. */
  readonly lengths: Value | undefined;
}

/**
 * Input `ids` i64 [batch, length]: rows of equal length, or padded on the right with `lengths` i64 [batch].
 */
export function plainBatch(
  spec: ModelSpec,
  positions: number,
  options: { readonly padded?: boolean } = {},
): PlainBatch {
  const g = new Graph();
  const ids = g.input('ids', 'i64', ['batch', 'length']);
  const batch = g.op('Shape', [ids], { start: int(0), end: int(1) });
  const length = g.op('Shape', [ids], { start: int(1), end: int(2) });
  const scalar = g.op('Squeeze', [length]);
  const range = g.op('Range', [g.i64(0), scalar, g.i64(1)]);
  const all = g.op('Expand', [g.reshape(range, [1, 1, -1]), shapeVector(g, [batch, 1, length])]);
  const lengths = options.padded === true ? g.input('lengths', 'i64', ['batch']) : undefined;
  const keyPositions = lengths === undefined ? all : maskPadding(g, all, lengths);
  const rows = attentionRows(g, {
    contexts: batch,
    length,
    queryPositions: all,
    keyPositions,
    causal: spec.causal,
    allVisible: !spec.causal && lengths === undefined,
    tables: new RotaryTables(g, positions),
  });
  return {
    graph: g,
    ids: g.reshape(ids, [-1]),
    rows,
    shape: g.concat([batch, length], 0),
    lengths,
  };
}

function maskPadding(g: Graph, positions: Value, lengths: Value): Value {
  const isPadding = g.op('GreaterOrEqual', [positions, g.unsqueeze(lengths, [1, 2])]);
  return g.op('Where', [isPadding, g.i64(PADDING_POSITION), positions]);
}

/** Some of a model's blocks: from `first` up to but without `end`. */
export interface Span {
  readonly first: number;
  readonly end: number;
}

export interface ActivationsOptions {
  readonly logits: boolean;
  readonly positions: number;
  readonly padded?: boolean;
  /**
   * Only these blocks: a span that begins later reads `state` f32 [rows, width], and one that does not run to the end
   * gives `next_state`. A site belongs to the span that `spanHolds` says.
   */
  readonly span?: Span;
}

/** Whether a site's value is known in a span and not before it. */
export function spanHolds(spec: ModelSpec, { first, end }: Span, site: Site): boolean {
  const needed = blocksBefore(spec, site);
  return needed <= end && (needed > first || (first === 0 && needed === 0));
}

/**
 * Outputs: each site by its name, [rows, width], and `logits` [rows, vocabulary] if asked.
 * @throws ScanError `E_USAGE` for a site that this model does not have
 */
export function activationsGraph(
  spec: ModelSpec,
  sites: readonly Site[],
  options: ActivationsOptions,
): Graph {
  const { graph: g, ids, rows } = plainBatch(spec, options.positions, options);
  const missing = new Set(sites.map(siteName));
  const { first, end } = options.span ?? { first: 0, end: lastBlock(spec, sites, options.logits) };
  const visit = (kind: SiteKind, layer: number, value: Value): Value => {
    const name = siteName({ kind, layer });
    if (missing.delete(name)) g.output(name, value, 'f32', ['rows', `width of ${kind}`]);
    return value;
  };
  const splitNorms = sites.some(({ kind }) => kind.endsWith('_normalized'));
  const resume =
    first === 0
      ? {}
      : { resume: { block: first, state: g.input('state', 'f32', ['rows', spec.width]) } };
  const x = emitForward(g, spec, ids, rows, { blocks: end, visit, splitNorms, ...resume });
  // The stream before a block that is not emitted is the stream after the last one that is.
  visit('resid_pre', end, x);
  if (options.logits) {
    const logits = emitLogits(g, spec, x, { visit, splitNorms });
    g.output('logits', logits, 'f32', ['rows', 'vocabulary']);
  } else if (sites.some(({ kind }) => kind.startsWith('final'))) {
    emitFinalState(g, spec, x, { visit, splitNorms });
  }
  if (options.span !== undefined && end < spec.blocks.length) {
    g.output('next_state', x, 'f32', ['rows', 'width']);
  }
  if (missing.size > 0) {
    throw new ScanError('E_USAGE', `this ${spec.family} has no site ${[...missing].join(', ')}`);
  }
  return g;
}

/** Blocks that must run for all of this to be known. */
export function lastBlock(spec: ModelSpec, sites: readonly Site[], logits: boolean): number {
  const all = spec.blocks.length;
  if (logits) return all;
  return Math.max(0, ...sites.map((site) => Math.min(all, blocksBefore(spec, site))));
}
