/** Emits a dictionary's encoder and decoder: what every pass, statistic and edit is built from. */
import { type Graph, int, type Value } from '../onnx/graph.ts';
import type { Dictionary, Gate, Matrix } from './dictionary.ts';

/** Weights of one dictionary, declared once in the outermost graph and seen by its loop bodies. */
export interface DictionaryValues {
  readonly dictionary: Dictionary;
  readonly encoder: Value;
  readonly encoderBias: Value;
  readonly decoder: Value;
  readonly decoderBias: Value;
  readonly gateScale?: Value;
  readonly skip?: Value;
  readonly gate: GateValues;
}

type GateValues =
  | { readonly kind: 'relu' }
  | { readonly kind: 'jumprelu'; readonly threshold: Value }
  | { readonly kind: 'topk' | 'abs-topk' | 'groupmax'; readonly k: number }
  | {
      readonly kind: 'gated';
      readonly gateBias: Value;
      readonly magnitudeScale: Value;
      readonly magnitudeBias: Value;
    };

export interface Encoded {
  /** Features after the gate, [rows, features]. */
  readonly features: Value;
  /** What the decoder's output is multiplied by, [rows, 1] or [1], and shifted by, [rows, 1]. */
  readonly outputScale?: Value;
  readonly outputShift?: Value;
}

export function declareDictionary(g: Graph, dictionary: Dictionary): DictionaryValues {
  const { encoder, decoder, gateScale, skip } = dictionary;
  return {
    dictionary,
    encoder: declareMatrix(g, encoder),
    encoderBias: g.f32(dictionary.encoderBias),
    decoder: declareMatrix(g, decoder),
    decoderBias: g.f32(dictionary.decoderBias),
    gate: declareGate(g, dictionary.gate),
    ...(gateScale !== undefined && { gateScale: g.f32(gateScale) }),
    ...(skip !== undefined && { skip: declareMatrix(g, skip) }),
  };
}

function declareMatrix(g: Graph, matrix: Matrix): Value {
  if (matrix.kind === 'memory') return g.f32(matrix.data, matrix.shape);
  const stored = g.external(matrix.tensor);
  return matrix.tensor.dtype === 'f32' ? stored : g.cast(stored, 'f32');
}

function declareGate(g: Graph, gate: Gate): GateValues {
  switch (gate.kind) {
    case 'relu':
    case 'topk':
    case 'abs-topk':
    case 'groupmax':
      return gate;
    case 'jumprelu':
      return { kind: 'jumprelu', threshold: g.f32(gate.threshold) };
    case 'gated':
      return {
        kind: 'gated',
        gateBias: g.f32(gate.gateBias),
        magnitudeScale: g.f32(gate.magnitudeScale),
        magnitudeBias: g.f32(gate.magnitudeBias),
      };
  }
}

/** @param x f32 [rows, inputWidth] */
export function emitEncode(g: Graph, values: DictionaryValues, x: Value): Encoded {
  const { dictionary } = values;
  const normed = emitInputNorm(g, dictionary, x);
  const centred = dictionary.subtractDecoderBias ? g.sub(normed.x, values.decoderBias) : normed.x;
  const linear = emitMap(g, dictionary.encoder, values.encoder, centred);
  const gated = emitGate(g, values, linear);
  const features = values.gateScale === undefined ? gated : g.div(gated, values.gateScale);
  return {
    features,
    ...(normed.scale !== undefined && { outputScale: normed.scale }),
    ...(normed.shift !== undefined && { outputShift: normed.shift }),
  };
}

/**
 * Output of the dictionary. `features` may be an edited copy of `encoded.features`.
 * @param x the input again, for a skip path
 * @returns [rows, outputWidth]
 */
export function emitDecode(
  g: Graph,
  values: DictionaryValues,
  encoded: Encoded,
  x: Value,
  features: Value = encoded.features,
): Value {
  const { dictionary } = values;
  let y = g.add(emitMap(g, dictionary.decoder, values.decoder, features), values.decoderBias);
  if (dictionary.skip !== undefined && values.skip !== undefined) {
    y = g.add(y, emitMap(g, dictionary.skip, values.skip, x));
  }
  if (encoded.outputScale !== undefined) y = g.mul(y, encoded.outputScale);
  return encoded.outputShift === undefined ? y : g.add(y, encoded.outputShift);
}

/** What a change of features adds to the output: linear, so neither bias nor reconstruction error enters. */
export function emitDelta(
  g: Graph,
  values: DictionaryValues,
  encoded: Encoded,
  change: Value,
): Value {
  const y = emitMap(g, values.dictionary.decoder, values.decoder, change);
  return encoded.outputScale === undefined ? y : g.mul(y, encoded.outputScale);
}

function emitMap(g: Graph, matrix: Matrix, weight: Value, x: Value): Value {
  return g.op('Gemm', [x, weight], { transB: int(matrix.layout === 'out-in' ? 1 : 0) });
}

interface Normed {
  readonly x: Value;
  readonly scale?: Value;
  readonly shift?: Value;
}

function emitInputNorm(g: Graph, { inputNorm, inputWidth }: Dictionary, x: Value): Normed {
  switch (inputNorm.kind) {
    case 'none':
      return { x };
    case 'scale':
      return {
        x: g.mul(x, g.f32(inputNorm.factor)),
        scale: g.f32(1 / inputNorm.outputFactor),
      };
    case 'unit-norm': {
      const norm = g.op('Sqrt', [g.reduce('Sum', g.mul(x, x), [-1])]);
      const scale = g.div(norm, g.f32(Math.sqrt(inputWidth)));
      return { x: g.div(x, scale), scale };
    }
    case 'layer-norm': {
      const mean = g.reduce('Mean', x, [-1]);
      const centred = g.sub(x, mean);
      const power = g.reduce('Sum', g.mul(centred, centred), [-1]);
      const deviation = g.op('Sqrt', [g.div(power, g.f32(Math.max(1, inputWidth - 1)))]);
      return {
        x: g.div(centred, g.add(deviation, g.f32(1e-5))),
        scale: deviation,
        shift: mean,
      };
    }
  }
}

/** @param linear x E, without the bias: gated dictionaries have two */
function emitGate(g: Graph, values: DictionaryValues, linear: Value): Value {
  const { gate, encoderBias, gateScale, dictionary } = values;
  if (gate.kind === 'gated') {
    const open = g.op('Greater', [g.add(linear, gate.gateBias), g.f32(0)]);
    const magnitude = g.add(g.mul(linear, gate.magnitudeScale), gate.magnitudeBias);
    return g.mul(g.op('Relu', [magnitude]), g.cast(open, 'f32'));
  }
  const biased = g.add(linear, encoderBias);
  const pre = gateScale === undefined ? biased : g.mul(biased, gateScale);
  switch (gate.kind) {
    case 'relu':
      return g.op('Relu', [pre]);
    case 'jumprelu': {
      const open = g.op('Greater', [pre, gate.threshold]);
      return g.mul(g.op('Relu', [pre]), g.cast(open, 'f32'));
    }
    case 'topk':
      return emitTopK(g, g.op('Relu', [pre]), gate.k);
    case 'abs-topk':
      return emitAbsTopK(g, pre, gate.k);
    case 'groupmax': {
      const relu = g.op('Relu', [pre]);
      const groups = g.reshape(relu, [-1, gate.k, dictionary.featureCount / gate.k]);
      const kept = emitTopK(g, groups, 1);
      return g.reshape(kept, [-1, dictionary.featureCount]);
    }
  }
}

/** Keeps the k largest along the last axis; zeros never count as kept, and equal values are kept together. */
export function emitTopK(g: Graph, x: Value, k: number): Value {
  return g.mul(x, g.cast(g.op('GreaterOrEqual', [x, kthLargest(g, x, k)]), 'f32'));
}

function emitAbsTopK(g: Graph, x: Value, k: number): Value {
  const size = g.op('Abs', [x]);
  return g.mul(x, g.cast(g.op('GreaterOrEqual', [size, kthLargest(g, size, k)]), 'f32'));
}

function kthLargest(g: Graph, x: Value, k: number): Value {
  const [values] = g.ops('TopK', [x, g.i64([k])], 2, { axis: int(-1), sorted: int(0) }) as [Value];
  return g.op('ReduceMin', [values, g.i64([-1])], { keepdims: int(1) });
}
