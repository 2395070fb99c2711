/** Graph of how likely a model finds given text: the logarithm of each next token's probability. */
import { type Graph, int } from '../../onnx/graph.ts';
import { emitLogits } from '../emit/forward.ts';
import type { ModelSpec } from '../spec.ts';
import { emitSpan, plainBatch, type Span } from './activations.ts';

/**
 * Inputs `ids` i64 [batch, length] and `next` i64 [rows], what follows each position.
 * Output `log_probability` f32 [rows], nats, of the last span.
 */
export function likelihoodGraph(spec: ModelSpec, positions: number, span: Span): Graph {
  const batch = plainBatch(spec, positions);
  const { graph: g } = batch;
  const x = emitSpan(batch, spec, span);
  if (!span.last) return g;
  const next = g.input('next', 'i64', ['rows']);
  const logits = emitLogits(g, spec, x);
  const chosen = g.op('GatherElements', [logits, g.unsqueeze(next, [1])], { axis: int(1) });
  const total = g.op('ReduceLogSumExp', [logits, g.i64([1])], { keepdims: int(1) });
  const difference = g.op('Squeeze', [g.sub(chosen, total), g.i64([1])]);
  g.output('log_probability', difference, 'f32', ['rows']);
  return g;
}
