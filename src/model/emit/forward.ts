/** Emits a model's forward pass over rows, with taps and edits at any site, and its heads. */
import type { Graph, Value } from '../../onnx/graph.ts';
import type { BlockSpec, HeadSpec, ModelSpec } from '../spec.ts';
import { type AttentionRows, emitHeads } from './attention.ts';
import { emitActivation, emitLinear, emitMlp, emitNorm } from './layers.ts';

/** Places where a pass can be read or edited; TransformerLens' names without `hook_`. */
export type SiteKind = 'resid_pre' | 'attn_out' | 'resid_mid' | 'mlp_out' | 'resid_post' | 'attn_z';

/** Called at every site in order; returns the value that the pass goes on with. */
export type SiteVisitor = (kind: SiteKind, layer: number, value: Value) => Value;

export interface ForwardOptions {
  /** Blocks to run; all by default. Everything after the last tap is never emitted. */
  readonly blocks?: number;
  readonly visit?: SiteVisitor;
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
  let x = emitEmbedding(g, spec, ids, rows.positions);
  spec.blocks.slice(0, options.blocks ?? spec.blocks.length).forEach((block, layer) => {
    x = emitBlock(g, block, layer, visit('resid_pre', layer, x), rows, visit);
    x = visit('resid_post', layer, x);
  });
  return x;
}

function emitEmbedding(g: Graph, spec: ModelSpec, ids: Value, positions: Value): Value {
  const { tokens, scale, positions: learned, tokenTypes, norm, projection } = spec.embedding;
  let x = g.gather(g.external(tokens), ids);
  if (scale !== undefined) x = g.mul(x, g.f32(scale));
  if (projection !== undefined) x = emitLinear(g, projection, x);
  if (learned !== undefined) {
    const index = learned.offset === 0 ? positions : g.add(positions, g.i64(learned.offset));
    x = g.add(x, g.gather(g.external(learned.table), index));
  }
  if (tokenTypes !== undefined) x = g.add(x, g.gather(g.external(tokenTypes), g.i64(0)));
  return norm === undefined ? x : emitNorm(g, norm, x);
}

function emitBlock(
  g: Graph,
  block: BlockSpec,
  layer: number,
  x: Value,
  rows: AttentionRows,
  visit: SiteVisitor,
): Value {
  const maybeNorm = (norm: BlockSpec['preAttentionNorm'], value: Value) =>
    norm === undefined ? value : emitNorm(g, norm, value);
  const scaled = (value: Value) =>
    block.residualScale === undefined ? value : g.mul(value, g.f32(block.residualScale));

  const fromNormed = block.residualFrom === 'normalised';

  const attentionInput = maybeNorm(block.preAttentionNorm, x);
  const z = visit('attn_z', layer, emitHeads(g, block.attention, layer, attentionInput, rows));
  const attention = maybeNorm(block.postAttentionNorm, emitLinear(g, block.attention.output, z));
  const attentionOut = visit('attn_out', layer, scaled(attention));
  if (block.arrangement === 'parallel') {
    const mlpInput =
      block.preMlpNorm === undefined ? attentionInput : emitNorm(g, block.preMlpNorm, x);
    const mlp = maybeNorm(block.postMlpNorm, emitMlp(g, block.mlp, mlpInput));
    return g.add(g.add(x, attentionOut), visit('mlp_out', layer, scaled(mlp)));
  }
  const middle = visit(
    'resid_mid',
    layer,
    maybeNorm(block.afterAttentionAddNorm, g.add(fromNormed ? attentionInput : x, attentionOut)),
  );
  const mlpInput = maybeNorm(block.preMlpNorm, middle);
  const mlp = maybeNorm(block.postMlpNorm, emitMlp(g, block.mlp, mlpInput));
  const mlpOut = visit('mlp_out', layer, scaled(mlp));
  return maybeNorm(block.afterMlpAddNorm, g.add(fromNormed ? mlpInput : middle, mlpOut));
}

/** @param x residual stream, [rows, width] @returns logits, [rows, vocabulary] */
export function emitLogits(g: Graph, spec: ModelSpec, x: Value): Value {
  if (spec.head === undefined) throw new Error(`${spec.family} has no language-model head`);
  return emitHead(g, spec.head, emitFinalState(g, spec, x));
}

/** @param x residual stream, [rows, width] @returns what heads read: transformers' `last_hidden_state` */
export function emitFinalState(g: Graph, spec: ModelSpec, x: Value): Value {
  const normed = spec.finalNorm === undefined ? x : emitNorm(g, spec.finalNorm, x);
  return spec.finalProjection === undefined ? normed : emitLinear(g, spec.finalProjection, normed);
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
