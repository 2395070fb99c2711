/** Graph that reads sites and logits of a plain batch; emitted only as far as the last site asked for. */
import { ScanError } from '../../errors.ts';
import { Graph, int, type Value } from '../../onnx/graph.ts';
import { type AttentionRows, shapeVector } from '../emit/attention.ts';
import {
  emitFinalState,
  emitForward,
  emitLogits,
  type ForwardOptions,
  type SiteKind,
} from '../emit/forward.ts';
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
  /** The pass ends with it: heads and pooling belong here. */
  readonly last: boolean;
}

/** All that a pass of some blocks runs, uncut. */
export function wholeSpan(blocks: number): Span {
  return { first: 0, end: blocks, last: true };
}

/**
 * Emits a span's blocks. One that begins later reads the input `state` f32 [rows, width]; one that is not the last gives
 * the output `next_state`.
 * @returns the stream after the span
 */
export function emitSpan(
  { graph: g, ids, rows }: PlainBatch,
  spec: ModelSpec,
  span: Span,
  options: Pick<ForwardOptions, 'visit' | 'splitNorms'> = {},
): Value {
  const { first, end, last } = span;
  const state = first === 0 ? undefined : g.input('state', 'f32', ['rows', spec.width]);
  const x = emitForward(g, spec, ids, rows, {
    ...options,
    blocks: end,
    ...(state !== undefined && { resume: { block: first, state } }),
  });
  if (!last) g.output('next_state', x, 'f32', ['rows', 'width']);
  return x;
}

export interface ActivationsOptions {
  readonly logits: boolean;
  readonly positions: number;
  readonly padded?: boolean;
  /** Only these blocks; a site belongs to the span that `spanHolds` says, and the others are left out. */
  readonly span?: Span;
}

/** Whether a site's value is known in a span and not before it. What no span has is the last one's to refuse. */
export function spanHolds(spec: ModelSpec, { first, end, last }: Span, site: Site): boolean {
  const needed = blocksBefore(spec, site);
  return (needed <= end || last) && (needed > first || (first === 0 && needed === 0));
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
  const batch = plainBatch(spec, options.positions, options);
  const { graph: g } = batch;
  const span = options.span ?? wholeSpan(lastBlock(spec, sites, options.logits));
  const here = sites.filter((site) => spanHolds(spec, span, site));
  const missing = new Set(here.map(siteName));
  const visit = (kind: SiteKind, layer: number, value: Value): Value => {
    const name = siteName({ kind, layer });
    if (missing.delete(name)) g.output(name, value, 'f32', ['rows', `width of ${kind}`]);
    return value;
  };
  const splitNorms = sites.some(({ kind }) => kind.endsWith('_normalized'));
  const x = emitSpan(batch, spec, span, { visit, splitNorms });
  // The stream before a block that is not emitted is the stream after the last one that is.
  visit('resid_pre', span.end, x);
  if (options.logits && span.last) {
    const logits = emitLogits(g, spec, x, { visit, splitNorms });
    g.output('logits', logits, 'f32', ['rows', 'vocabulary']);
  } else if (span.last && here.some(({ kind }) => kind.startsWith('final'))) {
    emitFinalState(g, spec, x, { visit, splitNorms });
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
