/**
 * Graph of what a model makes of whole texts: one embedding, as sentence-transformers pools it, and class scores.
 * Encoders see both ways, so nothing of a text can be shared with another; many candidates are one batch.
 */
import { type Graph, int, type Value } from '../../onnx/graph.ts';
import { emitFinalState, type SiteVisitor } from '../emit/forward.ts';
import { emitActivation, emitLinear } from '../emit/layers.ts';
import type { ClassifierSpec, ModelSpec, PoolingSpec } from '../spec.ts';
import { emitSpan, plainBatch, type Span, wholeSpan } from './activations.ts';

export interface EmbedOptions {
  /** Longest text. */
  readonly positions: number;
  /** False when all texts of a batch are equally long: no `lengths`, no mask, less work. */
  readonly padded?: boolean;
  readonly visit?: (g: Graph) => SiteVisitor;
  /** Only these blocks; outputs come from the last span. */
  readonly span?: Span;
}

/** A batch's last states, and which of them are real. */
interface States {
  /** f32 [batch, length, width] */
  readonly values: Value;
  /** i64 [batch]; absent when nothing is padded. */
  readonly lengths: Value | undefined;
}

/**
 * Inputs `ids` i64 [batch, length], padded on the right, and `lengths` i64 [batch].
 * Outputs `embedding` f32 [batch, width] where the model says how to pool, `classes` f32 [batch, labels] where it
 * classifies.
 */
export function embedGraph(spec: ModelSpec, options: EmbedOptions): Graph {
  const padded = options.padded ?? true;
  const span = options.span ?? wholeSpan(spec.blocks.length);
  const batch = plainBatch(spec, options.positions, { padded });
  const { graph: g, shape, lengths } = batch;
  const x = emitSpan(batch, spec, span, options.visit && { visit: options.visit(g) });
  if (!span.last) return g;
  const last = emitFinalState(g, spec, x);
  const states: States = { values: g.reshape(last, g.concat([shape, g.i64([-1])], 0)), lengths };
  if (spec.pooling !== undefined) {
    g.output('embedding', emitPooling(g, spec.pooling, states), 'f32', ['batch', 'width']);
  }
  if (spec.classifier !== undefined) {
    g.output('classes', emitClassifier(g, spec.classifier, states), 'f32', ['batch', 'labels']);
  }
  return g;
}

function emitPooling(g: Graph, spec: PoolingSpec, states: States): Value {
  let pooled = emitPooled(g, spec.kind, states);
  for (const { linear, activation } of spec.dense ?? []) {
    pooled = emitLinear(g, linear, pooled);
    if (activation !== undefined) pooled = emitActivation(g, activation, pooled);
  }
  if (!spec.normalise) return pooled;
  const norm = g.op('ReduceL2', [pooled, g.i64([1])], { keepdims: int(1) });
  return g.div(pooled, g.op('Max', [norm, g.f32(1e-12)]));
}

function emitPooled(g: Graph, kind: PoolingSpec['kind'], { values, lengths }: States): Value {
  switch (kind) {
    case 'first':
      return tokenState(g, values, undefined);
    case 'last':
      return tokenState(g, values, lastIndex(g, { values, lengths }));
    case 'max': {
      const masked =
        lengths === undefined
          ? values
          : g.op('Where', [realTokens(g, values, lengths), values, g.f32(-1e30)]);
      return g.reduce('Max', masked, [1], false);
    }
    case 'mean': {
      if (lengths === undefined) return g.reduce('Mean', values, [1], false);
      const real = g.cast(realTokens(g, values, lengths), 'f32');
      // A text of no tokens must not divide by zero.
      const count = g.op('Max', [g.unsqueeze(g.cast(lengths, 'f32'), [1]), g.f32(1)]);
      return g.div(g.reduce('Sum', g.mul(values, real), [1], false), count);
    }
  }
}

function emitClassifier(g: Graph, spec: ClassifierSpec, states: States): Value {
  const index = spec.state === 'first' ? undefined : lastIndex(g, states);
  let state = tokenState(g, states.values, index);
  if (spec.dense !== undefined) state = emitLinear(g, spec.dense, state);
  if (spec.activation !== undefined) state = emitActivation(g, spec.activation, state);
  return emitLinear(g, spec.projection, state);
}

/** bool [batch, length, 1] */
function realTokens(g: Graph, values: Value, lengths: Value): Value {
  const length = g.op('Squeeze', [g.op('Shape', [values], { start: int(1), end: int(2) })]);
  const positions = g.op('Range', [g.i64(0), length, g.i64(1)]);
  return g.unsqueeze(g.op('Less', [positions, g.unsqueeze(lengths, [1])]), [2]);
}

/** i64 [batch], position of each text's last token. */
function lastIndex(g: Graph, { values, lengths }: States): Value {
  if (lengths !== undefined) return g.op('Max', [g.sub(lengths, g.i64(1)), g.i64(0)]);
  const batch = g.op('Shape', [values], { start: int(0), end: int(1) });
  const length = g.op('Shape', [values], { start: int(1), end: int(2) });
  return g.op('Expand', [g.sub(length, g.i64(1)), batch]);
}

/** The state at `index` of each text, or at its first token, [batch, width]. */
function tokenState(g: Graph, values: Value, index: Value | undefined): Value {
  if (index === undefined) return g.op('Squeeze', [g.slice(values, 0, 1, 1), g.i64([1])]);
  const batch = g.op('Shape', [values], { start: int(0), end: int(1) });
  const row = g.op('Range', [g.i64(0), g.op('Squeeze', [batch]), g.i64(1)]);
  const pairs = g.concat([g.unsqueeze(row, [1]), g.unsqueeze(index, [1])], 1);
  return g.op('GatherND', [values, pairs]);
}
