/**
 * Generation as one graph: contexts, then strings, then `steps` new tokens in a Loop that carries the own
 * key-value cache. One run decodes a whole batch; nothing crosses to JavaScript between steps.
 *
 * Choice of the next token: `greedy`; `sample` by inverse cumulative distribution from given uniforms, so the same
 * seed gives the same text; `agree`, the argmax of the probability averaged over contexts (the sweep).
 */
import { type Graph, int, type Value } from '../../onnx/graph.ts';
import { type KeyValues, shapeVector } from '../emit/attention.ts';
import { emitForward, emitLogits, type SiteVisitor } from '../emit/forward.ts';
import { attentionRows } from '../emit/rows.ts';
import type { ModelSpec } from '../spec.ts';
import { lastPosition, type PrefixedRows, prefixedRows } from './prefixed.ts';

export type Decoding = 'greedy' | 'sample' | 'agree';

export interface GenerateOptions {
  readonly decoding: Decoding;
  readonly maxPositions: number;
  /** Edits of the strings' and new tokens' rows (interventions); contexts are never edited. */
  readonly visit?: (g: Graph) => SiteVisitor;
}

/**
 * Further inputs: `steps` i64 []; `bias` f32 [vocabulary], added to the logits of the choice (bans);
 * for `sample`, `uniforms` f32 [steps, C·n] and `temperature` f32 [].
 * Outputs: `tokens` i64 [steps, C·n] (`agree`: [steps, n]); `probabilities` f32, of the chosen token under the model
 * itself, neither tempered nor biased.
 */
export function generateGraph(spec: ModelSpec, options: GenerateOptions): Graph {
  const base = prefixedRows(spec, options.maxPositions);
  const g = base.graph;
  const steps = g.input('steps', 'i64', []);
  const bias = g.input('bias', 'f32', ['vocabulary']);
  const choose = chooser(g, base, bias, options.decoding, spec.vocabularySize);
  const forward = (graph: Graph) =>
    options.visit === undefined ? {} : { visit: options.visit(graph) };
  const x = emitForward(g, spec, base.ids, base.rows, forward(g));
  const logits = emitLogits(g, spec, lastPosition(g, x, base.stringLength, spec.width));
  if (options.decoding === 'agree') emitFirstTokens(g, base, logits, spec.vocabularySize);
  const layers = spec.blocks.length;
  const initial = [
    logits,
    g.reshape(base.positions, shapeVector(g, [base.contexts, -1, base.stringLength])),
    nextPositions(g, base),
    ...base.kept.flatMap(({ keys, values }) => [keys, values]),
  ];

  const body = g.subgraph();
  const iteration = body.input('iteration', 'i64', []);
  const going = body.input('going', 'bool', []);
  const state = body.input('state_logits', 'f32', ['rows', spec.vocabularySize]);
  const keyPositions = body.input('state_positions', 'i64', ['C', 'n', 'T']);
  const position = body.input('state_next', 'i64', ['C', 'n', 1]);
  const past: KeyValues[] = Array.from({ length: layers }, (_, layer) => ({
    keys: body.input(`keys_${layer}`, 'f32', ['C', 'H', 'n', 'T', 'D']),
    values: body.input(`values_${layer}`, 'f32', ['C', 'H', 'n', 'T', 'D']),
  }));
  const chosen = choose(body, state, iteration);
  const allPositions = body.concat([keyPositions, position], 2);
  const kept: KeyValues[] = [];
  const rows = attentionRows(body, {
    contexts: base.contexts,
    length: 1,
    queryPositions: position,
    keyPositions: allPositions,
    prefixPositions: base.prefixPositions,
    causal: spec.causal,
    tables: base.tables,
    prefix: base.prefix,
    past: (layer) => past[layer] as KeyValues,
    keep: (layer, own) => {
      kept[layer] = own;
    },
  });
  const stepped = emitForward(body, spec, chosen.rowTokens, rows, forward(body));
  body.output('out_going', going, 'bool', []);
  body.output('out_logits', emitLogits(body, spec, stepped), 'f32', ['rows', spec.vocabularySize]);
  body.output('out_positions', allPositions, 'i64', ['C', 'n', 'T']);
  body.output('out_next', body.add(position, body.i64(1)), 'i64', ['C', 'n', 1]);
  kept.forEach(({ keys, values }, layer) => {
    body.output(`out_keys_${layer}`, keys, 'f32', ['C', 'H', 'n', 'T', 'D']);
    body.output(`out_values_${layer}`, values, 'f32', ['C', 'H', 'n', 'T', 'D']);
  });
  body.output('out_tokens', chosen.tokens, 'i64', ['chosen']);
  body.output('out_probabilities', chosen.probabilities, 'f32', ['chosen']);

  const outputs = g.ops('Loop', [steps, g.bool(true), ...initial], initial.length + 2, {
    body: { type: 'graph', value: body },
  });
  const [tokens, probabilities] = outputs.slice(-2) as [Value, Value];
  g.output('tokens', tokens, 'i64', ['steps', 'chosen']);
  g.output('probabilities', probabilities, 'f32', ['steps', 'chosen']);
  return g;
}

const FIRST_TOKENS = 8;

/** `agree` also gives the most probable first tokens: `first_tokens`, `first_probabilities`, [n, 8]. */
function emitFirstTokens(
  g: Graph,
  base: PrefixedRows,
  logits: Value,
  vocabularySize: number,
): void {
  const mean = meanOverContexts(g, base, logits, vocabularySize);
  const count = Math.min(FIRST_TOKENS, vocabularySize);
  const [values, indices] = g.ops('TopK', [mean, g.i64([count])], 2, { axis: int(-1) }) as [
    Value,
    Value,
  ];
  g.output('first_probabilities', values, 'f32', ['strings', count]);
  g.output('first_tokens', indices, 'i64', ['strings', count]);
}

/** @returns probabilities averaged over contexts, [n, vocabulary] */
function meanOverContexts(
  g: Graph,
  base: PrefixedRows,
  logits: Value,
  vocabularySize: number,
): Value {
  const shape = shapeVector(g, [base.contexts, -1, vocabularySize]);
  return g.reduce('Mean', g.reshape(g.softmax(logits), shape), [0], false);
}

/** Position of the first new token, [C, n, 1]: strings are padded on the left, so it follows the last column. */
function nextPositions(g: Graph, base: PrefixedRows): Value {
  const last = g.op('Slice', [
    base.positions,
    g.i64([-1]),
    g.i64([Number.MAX_SAFE_INTEGER]),
    g.i64([2]),
  ]);
  return g.add(last, g.i64(1));
}

interface Choice {
  /** i64 [C·n], what each row reads next. */
  readonly rowTokens: Value;
  readonly tokens: Value;
  readonly probabilities: Value;
}

function chooser(
  outer: Graph,
  base: PrefixedRows,
  bias: Value,
  decoding: Decoding,
  vocabularySize: number,
): (g: Graph, logits: Value, iteration: Value) => Choice {
  if (decoding === 'agree') {
    return (g, logits) => {
      const mean = meanOverContexts(g, base, logits, vocabularySize);
      const allowed = g.op('Where', [g.op('Less', [bias, g.f32(-1)]), g.f32(-1), mean]);
      const tokens = argmax(g, allowed);
      const tiled = g.op('Expand', [g.unsqueeze(tokens, [0]), shapeVector(g, [base.contexts, 1])]);
      return { rowTokens: g.reshape(tiled, [-1]), tokens, probabilities: pick(g, mean, tokens) };
    };
  }
  const uniforms = decoding === 'sample' ? outer.input('uniforms', 'f32', ['steps', 'rows']) : '';
  const temperature = decoding === 'sample' ? outer.input('temperature', 'f32', []) : '';
  return (g, logits, iteration) => {
    const biased = g.add(logits, bias);
    let tokens: Value;
    if (uniforms === '' || temperature === '') {
      tokens = argmax(g, biased);
    } else {
      const tempered = g.softmax(g.div(biased, temperature));
      const cumulative = g.op('CumSum', [tempered, g.i64(1)]);
      const drawn = g.unsqueeze(g.gather(uniforms, iteration), [1]);
      const below = g.cast(g.op('Less', [cumulative, drawn]), 'i64');
      const count = g.reduce('Sum', below, [1], false);
      // Rounding may leave the last cumulative value under the draw.
      tokens = g.op('Min', [count, g.i64(vocabularySize - 1)]);
    }
    return {
      rowTokens: tokens,
      tokens,
      probabilities: pick(g, g.softmax(logits), tokens),
    };
  };
}

function argmax(g: Graph, x: Value): Value {
  return g.op('ArgMax', [x], { axis: int(-1), keepdims: int(0) });
}

/** @param x [rows, vocabulary] @param index i64 [rows] @returns [rows] */
function pick(g: Graph, x: Value, index: Value): Value {
  const column = g.unsqueeze(index, [1]);
  return g.op('Squeeze', [g.op('GatherElements', [x, column], { axis: int(1) }), g.i64([1])]);
}
