/** Plain loops that say what a dictionary means; the graphs are checked against them. */

import { Random } from '../../../src/random.ts';
import type { Dictionary, Matrix } from '../../../src/sae/dictionary.ts';
import { matrixValues } from '../../../src/sae/dictionary.ts';

export function times(x: ArrayLike<number>, matrix: Matrix): number[] {
  const values = matrixValues(matrix);
  const [rows, columns] = matrix.shape;
  const [input, output] = matrix.layout === 'in-out' ? [rows, columns] : [columns, rows];
  return Array.from({ length: output }, (_, o) => {
    let sum = 0;
    for (let i = 0; i < input; i++) {
      const at = matrix.layout === 'in-out' ? i * columns + o : o * columns + i;
      sum += (x[i] as number) * (values[at] as number);
    }
    return sum;
  });
}

/** TopK features of one token. */
export function topKFeatures(dictionary: Dictionary, x: ArrayLike<number>): number[] {
  if (dictionary.gate.kind !== 'topk') throw new Error('the reference knows TopK only');
  const centred = Array.from({ length: dictionary.inputWidth }, (_, j) => {
    return (x[j] as number) - (dictionary.decoderBias[j] as number);
  });
  const pre = times(centred, dictionary.encoder).map((value, i) =>
    Math.max(0, value + (dictionary.encoderBias[i] as number)),
  );
  const cut = [...pre].sort((a, b) => b - a)[dictionary.gate.k - 1] as number;
  return pre.map((value) => (value >= cut ? value : 0));
}

export function reconstruction(dictionary: Dictionary, features: readonly number[]): number[] {
  return times(features, dictionary.decoder).map(
    (value, j) => value + (dictionary.decoderBias[j] as number),
  );
}

export function randomDictionary(width: number, featureCount: number, k: number): Dictionary {
  const random = new Random(width * featureCount);
  const filled = (count: number, scale: number) =>
    Float32Array.from({ length: count }, () => random.normal() * scale);
  return {
    role: 'autoencoder',
    inputWidth: width,
    outputWidth: width,
    featureCount,
    encoder: {
      kind: 'memory',
      data: filled(width * featureCount, 0.5),
      shape: [width, featureCount],
      layout: 'in-out',
    },
    encoderBias: filled(featureCount, 0.1),
    decoder: {
      kind: 'memory',
      data: filled(width * featureCount, 0.5),
      shape: [width, featureCount],
      layout: 'out-in',
    },
    decoderBias: filled(width, 0.3),
    subtractDecoderBias: true,
    gate: { kind: 'topk', k },
    inputNorm: { kind: 'none' },
    origin: { format: 'test', architecture: 'topk', siteText: '' },
  };
}
