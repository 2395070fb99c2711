/** Emits a model's forward pass over rows, with taps and edits at any site, and its heads. */
import type { Graph, Value } from '../../onnx/graph.ts';
import type { BlockSpec, HeadSpec, ModelSpec, NormSpec } from '../spec.ts';
import { type AttentionRows, emitHeads } from './attention.ts';
import { emitActivation, emitLinear, emitMlp, emitNorm, emitSplitNorm } from './layers.ts';

/**
 * Places where a pass can be read or edited, in order; TransformerLens' names without `hook_`.
 * `embed` and the `final` ones are outside the blocks and have layer 0.
 */
export const SITE_KINDS = [
  'embed',
  'resid_pre',
  'ln1_normalized',
  'attn_in',
  'attn_z',
  'attn_out',
  'resid_mid',
  'ln2_normalized',
  'mlp_in',
  'mlp_post',
  'mlp_out',
  'resid_post',
  'final_normalized',
  'final',
] as const;

export type SiteKind = (typeof SITE_KINDS)[number];

/** Called at every site in order; returns the value that the pass goes on with. */
export type SiteVisitor = (kind: SiteKind, layer: number, value: Value) => Value;

export interface ForwardOptions {
  /** Blocks to run; all by default. Everything after the last tap is never emitted. */
  readonly blocks?: number;
  readonly visit?: SiteVisitor;
  /** Visits the `normalized` sites too, which costs the fused norm kernels. */
  readonly splitNorms?: boolean;
  /** Goes on from an earlier pass: the stream before `block`, [rows, width]; ids are then not read. */
  readonly resume?: { readonly block: number; readonly state: Value };
}

/** @param ids i64 [rows] @returns residual stream after the last emitted block, [rows, width] */
export function emitForward(
  g: Graph,
  spec: ModelSpec,
  ids: Value,
  rows: AttentionRows,
  options: ForwardOptions = {},
): Value {
  const visit = options.visit ?? ((_kind, _layer, value) => value);
  const first = options.resume?.block ?? 0;
  let x = options.resume?.state ?? emitEmbedding(g, spec, ids, rows.positions, visit);
  spec.blocks.slice(first, options.blocks ?? spec.blocks.length).forEach((block, i) => {
    const layer = first + i;
    const visitHere = (kind: SiteKind, value: Value) => visit(kind, layer, value);
    const input = visitHere('resid_pre', x);
    const output = emitBlock(g, block, layer, input, rows, {
      visit: visitHere,
      splitNorms: options.splitNorms === true,
    });
    x = visitHere('resid_post', output);
  });
  return x;
}

function emitEmbedding(
  g: Graph,
  spec: ModelSpec,
  ids: Value,
  positions: Value,
  visit: SiteVisitor,
): Value {
  const { tokens, scale, positions: learned, tokenTypes, norm, projection } = spec.embedding;
  let x = g.gather(g.external(tokens), ids);
  if (scale !== undefined) x = g.mul(x, g.f32(scale));
  x = visit('embed', 0, x);
  if (projection !== undefined) x = emitLinear(g, projection, x);
  if (learned !== undefined) {
    const index = learned.offset === 0 ? positions : g.add(positions, g.i64(learned.offset));
    x = g.add(x, g.gather(g.external(learned.table), index));
  }
  if (tokenTypes !== undefined) x = g.add(x, g.gather(g.external(tokenTypes), g.i64(0)));
  return norm === undefined ? x : emitNorm(g, norm, x);
}

interface BlockVisits {
  readonly visit: (kind: SiteKind, value: Value) => Value;
  readonly splitNorms: boolean;
}

function emitBlock(
  g: Graph,
  block: BlockSpec,
  layer: number,
  x: Value,
  rows: AttentionRows,
  { visit, splitNorms }: BlockVisits,
): Value {
  const norm = (spec: NormSpec | undefined, value: Value, kind?: SiteKind): Value => {
    if (spec === undefined) return value;
    if (kind === undefined || !splitNorms) return emitNorm(g, spec, value);
    return emitSplitNorm(g, spec, value, (normalised) => visit(kind, normalised));
  };
  const scaled = (value: Value) =>
    block.residualScale === undefined ? value : g.mul(value, g.f32(block.residualScale));
  const mlpOf = (input: Value): Value => {
    const neurons = (value: Value) => visit('mlp_post', value);
    const output = emitMlp(g, block.mlp, visit('mlp_in', input), neurons);
    return visit('mlp_out', scaled(norm(block.postMlpNorm, output)));
  };
  const fromNormed = block.residualFrom === 'normalised';

  const normed = norm(block.preAttentionNorm, x, 'ln1_normalized');
  const z = emitHeads(g, block.attention, layer, visit('attn_in', normed), rows);
  const attention = emitLinear(g, block.attention.output, visit('attn_z', z));
  const attentionOut = visit('attn_out', scaled(norm(block.postAttentionNorm, attention)));
  if (block.arrangement === 'parallel') {
    const mlpInput =
      block.preMlpNorm === undefined ? normed : norm(block.preMlpNorm, x, 'ln2_normalized');
    return g.add(g.add(x, attentionOut), mlpOf(mlpInput));
  }
  const sum = g.add(fromNormed ? normed : x, attentionOut);
  const middle = visit('resid_mid', norm(block.afterAttentionAddNorm, sum));
  const mlpInput = norm(block.preMlpNorm, middle, 'ln2_normalized');
  const mlpOut = mlpOf(mlpInput);
  return norm(block.afterMlpAddNorm, g.add(fromNormed ? mlpInput : middle, mlpOut));
}

/** @param x residual stream, [rows, width] @returns logits, [rows, vocabulary] */
export function emitLogits(
  g: Graph,
  spec: ModelSpec,
  x: Value,
  options: Pick<ForwardOptions, 'visit' | 'splitNorms'> = {},
): Value {
  if (spec.head === undefined) throw new Error(`${spec.family} has no language-model head`);
  return emitHead(g, spec.head, emitFinalState(g, spec, x, options));
}

/** @param x residual stream, [rows, width] @returns what heads read: transformers' `last_hidden_state` */
export function emitFinalState(
  g: Graph,
  spec: ModelSpec,
  x: Value,
  { visit = (_kind, _layer, value) => value, splitNorms = false }: ForwardOptions = {},
): Value {
  let state = x;
  if (spec.finalNorm !== undefined) {
    state = splitNorms
      ? emitSplitNorm(g, spec.finalNorm, x, (value) => visit('final_normalized', 0, value))
      : emitNorm(g, spec.finalNorm, x);
  }
  if (spec.finalProjection !== undefined) state = emitLinear(g, spec.finalProjection, state);
  return visit('final', 0, state);
}

function emitHead(g: Graph, head: HeadSpec, x: Value): Value {
  let state = x;
  if (head.transform !== undefined) {
    const { dense, activation, norm } = head.transform;
    state = emitActivation(g, activation, emitLinear(g, dense, state));
    if (norm !== undefined) state = emitNorm(g, norm, state);
  }
  let logits = emitLinear(g, head.projection, state);
  if (head.scale !== undefined) logits = g.mul(logits, g.f32(head.scale));
  if (head.softcap !== undefined) {
    logits = g.mul(g.op('Tanh', [g.div(logits, g.f32(head.softcap))]), g.f32(head.softcap));
  }
  return logits;
}
