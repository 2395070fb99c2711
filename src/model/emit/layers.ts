/** Emits the position-wise parts of a block: linear maps, norms, rotary embedding, activations, MLPs. */

import type { LocatedTensor } from '../../artifact/tensor.ts';
import { float, type Graph, int, ints, text, type Value } from '../../onnx/graph.ts';
import type {
  Activation,
  DenseMlpSpec,
  Int8Matrix,
  LinearSpec,
  MlpSpec,
  MoeMlpSpec,
  NormSpec,
  RotarySpec,
} from '../spec.ts';

/** @param x [rows, in] @returns [rows, out] */
export function emitLinear(g: Graph, spec: LinearSpec, x: Value): Value {
  if (spec.int8 !== undefined) return emitInt8(g, spec.int8, spec.bias, x);
  const weight = g.external(spec.weight);
  const bias = spec.bias === undefined ? [] : [g.external(spec.bias)];
  return g.op('Gemm', [x, weight, ...bias], { transB: int(spec.layout === 'out-in' ? 1 : 0) });
}

const LEVELS = 127;
const ZERO_CODE = 128;

/** Rows get a step each, so that one row of large values takes nothing from the others; sums are exact integers. */
function emitInt8(
  g: Graph,
  { codes, scales }: Int8Matrix,
  bias: LocatedTensor | undefined,
  x: Value,
): Value {
  const peak = g.reduce('Max', g.op('Abs', [x]), [-1]);
  const step = g.op('Max', [g.div(peak, g.f32(LEVELS)), g.f32(1e-30)]);
  const zero = g.u8(ZERO_CODE);
  const rounded = g.op('QuantizeLinear', [g.div(x, step), g.f32(1), zero]);
  const product = g.cast(g.op('MatMulInteger', [rounded, g.external(codes), zero]), 'f32');
  const y = g.mul(g.mul(product, step), g.external(scales));
  return bias === undefined ? y : g.add(y, g.external(bias));
}

/** @param x [..., width] */
export function emitNorm(g: Graph, spec: NormSpec, x: Value): Value {
  if (spec.weight === undefined) return emitNormalised(g, spec, x);
  if (spec.kind === 'rms') {
    return g.op('RMSNormalization', [x, emitGain(g, spec, spec.weight)], {
      epsilon: float(spec.epsilon),
    });
  }
  const bias = spec.bias === undefined ? [] : [g.external(spec.bias)];
  const inputs = [x, g.external(spec.weight), ...bias];
  return g.op('LayerNormalization', inputs, { epsilon: float(spec.epsilon) });
}

/** A norm in two parts, so that `visit` can read or edit the value before gain and bias. */
export function emitSplitNorm(
  g: Graph,
  spec: NormSpec,
  x: Value,
  visit: (normalised: Value) => Value,
): Value {
  const normalised = visit(emitNormalised(g, spec, x));
  const { weight, bias } = spec;
  const scaled = weight === undefined ? normalised : g.mul(normalised, emitGain(g, spec, weight));
  return bias === undefined ? scaled : g.add(scaled, g.external(bias));
}

function emitGain(g: Graph, spec: NormSpec, weight: LocatedTensor): Value {
  return spec.weightOffset === 0 ? g.external(weight) : g.add(g.external(weight), g.f32(1));
}

/** The norm without gain and bias. */
function emitNormalised(g: Graph, spec: NormSpec, x: Value): Value {
  const centred = spec.kind === 'layer' ? g.sub(x, g.reduce('Mean', x, [-1])) : x;
  const power = g.reduce('Mean', g.mul(centred, centred), [-1]);
  return g.div(centred, g.op('Sqrt', [g.add(power, g.f32(spec.epsilon))]));
}

/** Cosine and sine tables, [positions, dims / 2]. */
export function emitRotaryTables(
  g: Graph,
  spec: RotarySpec,
  positions: number,
): { readonly cos: Value; readonly sin: Value } {
  const half = spec.inverseFrequencies.length;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * (spec.inverseFrequencies[i] ?? 0);
      cos[position * half + i] = Math.cos(angle) * spec.attentionFactor;
      sin[position * half + i] = Math.sin(angle) * spec.attentionFactor;
    }
  }
  return { cos: g.f32(cos, [positions, half]), sin: g.f32(sin, [positions, half]) };
}

/** @param x [rows, heads, headDim] @param positions [rows] i64 @returns the same shape, rotated */
export function emitRotary(
  g: Graph,
  spec: RotarySpec,
  x: Value,
  heads: number,
  headDim: number,
  positions: Value,
  tables: { readonly cos: Value; readonly sin: Value },
): Value {
  const rotated = g.op(
    'RotaryEmbedding',
    [g.reshape(x, [-1, 1, heads * headDim]), tables.cos, tables.sin, g.reshape(positions, [-1, 1])],
    {
      num_heads: int(heads),
      interleaved: int(spec.style === 'interleaved' ? 1 : 0),
      rotary_embedding_dim: int(spec.dims === headDim ? 0 : spec.dims),
    },
  );
  return g.reshape(rotated, [-1, heads, headDim]);
}

export function emitActivation(g: Graph, kind: Activation, x: Value): Value {
  switch (kind) {
    case 'silu':
      return g.mul(x, g.op('Sigmoid', [x]));
    case 'quick-gelu':
      return g.mul(x, g.op('Sigmoid', [g.mul(x, g.f32(1.702))]));
    case 'gelu':
      return g.op('Gelu', [x]);
    case 'gelu-tanh':
      return emitGeluTanh(g, x);
    case 'relu':
      return g.op('Relu', [x]);
    case 'tanh':
      return g.op('Tanh', [x]);
  }
}

function emitGeluTanh(g: Graph, x: Value): Value {
  const cube = g.mul(g.mul(x, x), x);
  const inner = g.mul(g.add(x, g.mul(cube, g.f32(0.044715))), g.f32(Math.sqrt(2 / Math.PI)));
  const gate = g.add(g.op('Tanh', [inner]), g.f32(1));
  return g.mul(g.mul(x, g.f32(0.5)), gate);
}

/**
 * @param x [rows, width]
 * @param visit reads or edits the hidden layer's values; an MLP of experts has no such layer
 * @returns [rows, width]
 */
export function emitMlp(
  g: Graph,
  spec: MlpSpec,
  x: Value,
  visit: (neurons: Value) => Value = (neurons) => neurons,
): Value {
  if (spec.kind === 'experts') return emitExperts(g, spec, x);
  return emitLinear(g, spec.down, visit(emitNeurons(g, spec, x)));
}

function emitDense(g: Graph, spec: DenseMlpSpec, x: Value): Value {
  return emitLinear(g, spec.down, emitNeurons(g, spec, x));
}

/** The hidden layer's values, input of the down projection. */
function emitNeurons(g: Graph, spec: DenseMlpSpec, x: Value): Value {
  const up = emitLinear(g, spec.up, x);
  if (spec.kind === 'plain') return emitActivation(g, spec.activation, up);
  if (spec.fusedGateUp === true) {
    const [gate, rest] = g.ops('Split', [up, g.i64([spec.hidden, spec.hidden])], 2, {
      axis: int(-1),
    }) as [Value, Value];
    return g.mul(emitActivation(g, spec.activation, gate), rest);
  }
  if (spec.gate === undefined) throw new Error('a gated MLP needs a gate projection');
  return g.mul(emitActivation(g, spec.activation, emitLinear(g, spec.gate, x)), up);
}

/** Each expert runs on the rows that chose it, and its weighted output is added to theirs. */
function emitExperts(g: Graph, spec: MoeMlpSpec, x: Value): Value {
  const logits = emitLinear(g, spec.router, x);
  const probabilities = spec.normaliseChosen ? logits : g.softmax(logits);
  const [values, indices] = g.ops('TopK', [probabilities, g.i64([spec.expertsPerToken])], 2, {
    axis: int(-1),
  }) as [Value, Value];
  // Softmax over the chosen logits equals renormalised softmax over all.
  const weights = spec.normaliseChosen ? g.softmax(values) : values;
  let sum = g.op('ConstantOfShape', [g.op('Shape', [x])]);
  spec.experts.forEach((expert, number) => {
    const chosen = g.cast(g.op('Equal', [indices, g.i64(number)]), 'f32');
    const hit = g.op('NonZero', [g.reduce('Max', chosen, [-1], false)]);
    const weight = g.reduce('Sum', g.mul(chosen, weights), [-1]);
    const rows = g.op('Squeeze', [hit, g.i64([0])]);
    const output = g.mul(emitDense(g, expert, g.gather(x, rows)), g.gather(weight, rows));
    sum = g.op('ScatterND', [sum, g.transpose(hit, [1, 0]), output], { reduction: text('add') });
  });
  return sum;
}

export function splitLast(g: Graph, x: Value, sizes: readonly number[]): Value[] {
  return g.ops('Split', [x, g.i64(sizes)], sizes.length, { axis: int(-1) });
}
