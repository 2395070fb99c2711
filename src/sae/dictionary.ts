/**
 * One internal form for every published sparse autoencoder that encodes token by token:
 * `pre = (norm(x) - c·b_dec) E + b_enc`, a gate, `xhat = f D + b_dec (+ x Wskip)`, norm undone.
 * Formats differ in names, orientation, c and the gate; all of that is data here (reference: SAELens' architectures).
 */
import { FileSource } from '../artifact/byte-source.ts';
import { elementCount, type LocatedTensor } from '../artifact/tensor.ts';
import { readScalars } from '../artifact/values/tensor-values.ts';
import { ScanError } from '../errors.ts';
import type { Site } from '../model/graphs/activations.ts';

/** A linear map. `in-out` is stored [in, out], `out-in` is stored [out, in]. */
export type Matrix = {
  readonly layout: 'in-out' | 'out-in';
  readonly shape: readonly [number, number];
} & (
  | { readonly kind: 'memory'; readonly data: Float32Array }
  /** Mapped by the engine; f32, f16 or bf16. */
  | { readonly kind: 'file'; readonly tensor: LocatedTensor }
);

export type Gate =
  | { readonly kind: 'relu' }
  /** relu(pre) where pre > threshold, strictly; one threshold a feature. BatchTopK dictionaries end as this. */
  | { readonly kind: 'jumprelu'; readonly threshold: Float32Array }
  /** The k largest of relu(pre). */
  | { readonly kind: 'topk'; readonly k: number }
  /** The k largest magnitudes, signs kept. */
  | { readonly kind: 'abs-topk'; readonly k: number }
  /** The largest of each of k contiguous groups, after relu. */
  | { readonly kind: 'groupmax'; readonly k: number }
  /** [e + gateBias > 0] · relu(e · magnitudeScale + magnitudeBias), e without the encoder bias. */
  | {
      readonly kind: 'gated';
      readonly gateBias: Float32Array;
      readonly magnitudeScale: Float32Array;
      readonly magnitudeBias: Float32Array;
    };

export type InputNorm =
  | { readonly kind: 'none' }
  /** x · factor; outputs are divided by `outputFactor` (the same for a plain autoencoder). */
  | { readonly kind: 'scale'; readonly factor: number; readonly outputFactor: number }
  /** x · sqrt(width) / |x|, token by token. */
  | { readonly kind: 'unit-norm' }
  /** Centred, then divided by the unbiased standard deviation + 1e-5. */
  | { readonly kind: 'layer-norm' };

export interface Dictionary {
  /** A transcoder's output stands for another place than its input. */
  readonly role: 'autoencoder' | 'transcoder';
  readonly inputWidth: number;
  readonly outputWidth: number;
  readonly featureCount: number;
  readonly encoder: Matrix;
  /** Zeros where a format has none. */
  readonly encoderBias: Float32Array;
  readonly decoder: Matrix;
  readonly decoderBias: Float32Array;
  /** c: the decoder bias is subtracted from the input. */
  readonly subtractDecoderBias: boolean;
  readonly gate: Gate;
  /** The gate sees pre · scale and the decoder f / scale (decoder norms, in formats that rescale). */
  readonly gateScale?: Float32Array;
  readonly inputNorm: InputNorm;
  /** Linear path from the input to the output. */
  readonly skip?: Matrix;
  /** Where it reads; absent when the format does not say, or names a place that this engine cannot tap. */
  readonly site?: Site;
  /** Where a transcoder writes. */
  readonly outputSite?: Site;
  readonly origin: DictionaryOrigin;
}

export interface DictionaryOrigin {
  /** Family of the format: `saelens`, `gemma-scope`, … or `trained`. */
  readonly format: string;
  readonly architecture: string;
  /** The site in the producer's own words. */
  readonly siteText: string;
  readonly file?: string;
  /** Active features a token that the producer states. */
  readonly statedL0?: number;
}

/**
 * The vectors that lie along the feature axis: decoder directions, or encoder directions.
 * @param axis `features-in` for a decoder, `features-out` for an encoder
 * @returns [features.length, width]
 */
export function featureVectors(
  matrix: Matrix,
  axis: 'features-in' | 'features-out',
  features: readonly number[],
): Float32Array {
  const [rows, columns] = matrix.shape;
  const featureIsRow = (matrix.layout === 'in-out') === (axis === 'features-in');
  const count = featureIsRow ? rows : columns;
  const width = featureIsRow ? columns : rows;
  for (const feature of features) {
    if (!Number.isInteger(feature) || feature < 0 || feature >= count) {
      throw new ScanError('E_SAE', `no feature ${feature} in a dictionary of ${count}`);
    }
  }
  const result = new Float32Array(features.length * width);
  if (featureIsRow) {
    features.forEach((feature, i) => {
      result.set(matrixValues(matrix, feature * width, width), i * width);
    });
    return result;
  }
  const all = matrixValues(matrix, 0, rows * columns);
  features.forEach((feature, i) => {
    for (let j = 0; j < width; j++) result[i * width + j] = all[j * columns + feature] as number;
  });
  return result;
}

/** `count` values in storage order from `start`, as float32. */
export function matrixValues(
  matrix: Matrix,
  start = 0,
  count = elementCount(matrix.shape),
): Float32Array {
  if (matrix.kind === 'memory') return matrix.data.subarray(start, start + count);
  using source = new FileSource(matrix.tensor.file);
  return readScalars(source, matrix.tensor, start, count);
}

/** Length of every feature's decoder direction. */
export function decoderNorms(decoder: Matrix): Float32Array {
  const values = matrixValues(decoder);
  const [rows, columns] = decoder.shape;
  const featureIsRow = decoder.layout === 'in-out';
  const powers = new Float64Array(featureIsRow ? rows : columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const feature = featureIsRow ? row : column;
      powers[feature] =
        (powers[feature] as number) + (values[row * columns + column] as number) ** 2;
    }
  }
  return Float32Array.from(powers, Math.sqrt);
}

/** Bytes that it takes in a graph; numbers in memory stand there, in its encoding, in the thread's copy and in the engine. */
export function dictionaryBytes({ encoder, decoder }: Dictionary): number {
  return [encoder, decoder].reduce(
    (sum, matrix) => sum + (matrix.kind === 'memory' ? 6 : 1) * elementCount(matrix.shape) * 4,
    0,
  );
}
