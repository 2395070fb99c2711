/**
 * One training step of a TopK or BatchTopK autoencoder as an ONNX graph: forward, backward derived by hand, Adam,
 * decoder rows kept at unit norm (Gao et al. 2024, "Scaling and evaluating sparse autoencoders"; Bussmann et al.
 * 2024, "BatchTopK sparse autoencoders"). State goes in and the next state comes out; the caller swaps them.
 */
import { Graph, int, type Value } from '../onnx/graph.ts';

export interface TrainShape {
  readonly width: number;
  readonly featureCount: number;
  readonly k: number;
  readonly sparsity: 'topk' | 'batchtopk';
}

/** Tensors of the state, in the order of all lists below. */
export const PARAMETERS = ['encoder', 'encoder_bias', 'decoder', 'decoder_bias'] as const;
export type Parameter = (typeof PARAMETERS)[number];

export const BETA_1 = 0.9;
/** Shorter memory than the usual 0.999: a scan trains for hundreds of steps, not hundreds of thousands. */
export const BETA_2 = 0.99;
const EPSILON = 1e-8;
/** Below it a feature counts as silent, so that no zero passes a threshold of zero. */
const TINY = 1e-12;

export function parameterDims(shape: TrainShape): Readonly<Record<Parameter, number[]>> {
  const { width, featureCount } = shape;
  return {
    encoder: [width, featureCount],
    encoder_bias: [featureCount],
    decoder: [featureCount, width],
    decoder_bias: [width],
  };
}

type Parameters = Readonly<Record<Parameter, Value>>;

export interface Step {
  readonly gradients: Parameters;
  /** Squared error of each token, [rows]. */
  readonly errors: Value;
  /** Firings of each feature, [features]. */
  readonly counts: Value;
  /** Smallest kept activation: [rows, 1], or [1, 1] for `batchtopk`. */
  readonly threshold: Value;
}

/** Loss: mean over tokens of |xhat - x|². @param x f32 [rows, width] */
export function emitStep(g: Graph, shape: TrainShape, p: Parameters, x: Value): Step {
  const centred = g.sub(x, p.decoder_bias);
  const activations = g.op('Relu', [g.op('Gemm', [centred, p.encoder, p.encoder_bias])]);
  const threshold = emitThreshold(g, shape, activations, x);
  const mask = g.cast(
    g.op('GreaterOrEqual', [activations, g.op('Max', [threshold, g.f32(TINY)])]),
    'f32',
  );
  const features = g.mul(activations, mask);
  const difference = g.sub(g.op('Gemm', [features, p.decoder, p.decoder_bias]), x);
  const errors = g.reduce('Sum', g.mul(difference, difference), [1], false);

  const rows = g.cast(g.op('Shape', [x], { start: int(0), end: int(1) }), 'f32');
  const outer = g.mul(difference, g.div(g.f32(2), rows));
  const inner = g.mul(g.op('Gemm', [outer, p.decoder], { transB: int(1) }), mask);
  const encoderBias = g.reduce('Sum', inner, [0], false);
  // The decoder bias enters twice: added at the end, subtracted at the start.
  const throughEncoder = g.op('Squeeze', [
    g.op('Gemm', [g.unsqueeze(encoderBias, [0]), p.encoder], { transB: int(1) }),
    g.i64([0]),
  ]);
  return {
    gradients: {
      encoder: g.op('Gemm', [centred, inner], { transA: int(1) }),
      encoder_bias: encoderBias,
      decoder: g.op('Gemm', [features, outer], { transA: int(1) }),
      decoder_bias: g.sub(g.reduce('Sum', outer, [0], false), throughEncoder),
    },
    errors,
    counts: g.reduce('Sum', mask, [0], false),
    threshold,
  };
}

function emitThreshold(g: Graph, shape: TrainShape, activations: Value, x: Value): Value {
  const unsorted = { axis: int(-1), sorted: int(0) };
  const perToken = shape.sparsity === 'topk';
  const pool = perToken ? activations : g.reshape(activations, [1, -1]);
  const count = perToken
    ? g.i64([shape.k])
    : g.mul(g.op('Shape', [x], { start: int(0), end: int(1) }), g.i64([shape.k]));
  const [kept] = g.ops('TopK', [pool, count], 2, unsorted) as [Value];
  return g.op('ReduceMin', [kept, g.i64([-1])], { keepdims: int(1) });
}

/**
 * Inputs: `x` [rows, width]; every parameter, `first_<p>` and `second_<p>` (Adam's moments); `rate`,
 * `correction_1`, `correction_2` (1 / (1 - beta^t)), scalars.
 * Outputs: `next_<p>`, `next_first_<p>`, `next_second_<p>`, `errors`, `counts`, `threshold`.
 */
export function trainGraph(shape: TrainShape): Graph {
  const g = new Graph();
  const dims = parameterDims(shape);
  const x = g.input('x', 'f32', ['rows', shape.width]);
  const state = (prefix: string): Parameters =>
    Object.fromEntries(
      PARAMETERS.map((name) => [name, g.input(prefix + name, 'f32', dims[name])]),
    ) as Parameters;
  const parameters = state('');
  const first = state('first_');
  const second = state('second_');
  const rate = g.input('rate', 'f32', []);
  const corrections = [
    g.input('correction_1', 'f32', []),
    g.input('correction_2', 'f32', []),
  ] as const;

  const step = emitStep(g, shape, parameters, x);
  for (const name of PARAMETERS) {
    const gradient =
      name === 'decoder'
        ? withoutParallel(g, step.gradients.decoder, parameters.decoder)
        : step.gradients[name];
    const m = blend(g, first[name], gradient, BETA_1);
    const v = blend(g, second[name], g.mul(gradient, gradient), BETA_2);
    const denominator = g.add(g.op('Sqrt', [g.mul(v, corrections[1])]), g.f32(EPSILON));
    const change = g.mul(g.div(g.mul(m, corrections[0]), denominator), rate);
    const moved = g.sub(parameters[name], change);
    const next = name === 'decoder' ? unitRows(g, moved) : moved;
    g.output(`next_${name}`, next, 'f32', dims[name]);
    g.output(`next_first_${name}`, m, 'f32', dims[name]);
    g.output(`next_second_${name}`, v, 'f32', dims[name]);
  }
  g.output('errors', step.errors, 'f32', ['rows']);
  g.output('counts', step.counts, 'f32', [shape.featureCount]);
  g.output('threshold', step.threshold, 'f32', ['thresholds', 1]);
  return g;
}

function blend(g: Graph, old: Value, fresh: Value, beta: number): Value {
  return g.add(g.mul(old, g.f32(beta)), g.mul(fresh, g.f32(1 - beta)));
}

/** Drops what would only change a row's length. */
function withoutParallel(g: Graph, gradient: Value, unit: Value): Value {
  const along = g.reduce('Sum', g.mul(gradient, unit), [1]);
  return g.sub(gradient, g.mul(unit, along));
}

function unitRows(g: Graph, rows: Value): Value {
  const norm = g.op('Sqrt', [g.reduce('Sum', g.mul(rows, rows), [1])]);
  return g.div(rows, g.op('Max', [norm, g.f32(TINY)]));
}
