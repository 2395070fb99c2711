/** How well a dictionary explains activations: explained variance, L0, dead share, all summed inside the graph. */

import { type OpenGraph, openHere } from '../engine/open-graph.ts';
import { f32Output } from '../engine/session.ts';
import { ScanError } from '../errors.ts';
import { Graph } from '../onnx/graph.ts';
import type { Dictionary } from './dictionary.ts';
import { declareDictionary, emitDecode, emitEncode } from './emit.ts';

export interface DictionaryQuality {
  readonly tokens: number;
  /** 1 - sum of squared errors / sum of squared deviations from the mean. */
  readonly explainedVariance: number;
  /** Mean number of active features a token. */
  readonly l0: number;
  /** Share of features that never fired on these tokens. */
  readonly deadShare: number;
  /** Firings of each feature. */
  readonly firings: Float64Array;
}

const BATCH_TOKENS = 4096;

/** Inputs `x` [rows, inputWidth], `y` [rows, outputWidth]; outputs `error` [rows], `counts` [features]. */
function qualityGraph(dictionary: Dictionary): Graph {
  const g = new Graph();
  const x = g.input('x', 'f32', ['rows', dictionary.inputWidth]);
  const y = g.input('y', 'f32', ['rows', dictionary.outputWidth]);
  const values = declareDictionary(g, dictionary);
  const encoded = emitEncode(g, values, x);
  const difference = g.sub(emitDecode(g, values, encoded, x), y);
  const error = g.reduce('Sum', g.mul(difference, difference), [1], false);
  const active = g.cast(g.op('Abs', [g.op('Sign', [encoded.features])]), 'f32');
  g.output('error', error, 'f32', ['rows']);
  g.output('counts', g.reduce('Sum', active, [0], false), 'f32', ['features']);
  return g;
}

/**
 * @param input activations at the dictionary's site, [tokens, inputWidth]
 * @param output what it should give; the input itself unless it is a transcoder
 */
export async function measureQuality(
  dictionary: Dictionary,
  input: Float32Array,
  output: Float32Array = input,
  open: OpenGraph = openHere,
): Promise<DictionaryQuality> {
  const { inputWidth, outputWidth, featureCount } = dictionary;
  const tokens = Math.floor(input.length / inputWidth);
  if (tokens === 0 || output.length < tokens * outputWidth) {
    throw new ScanError('E_SAE', 'no activations to measure the dictionary on');
  }
  const session = await open(qualityGraph(dictionary));
  const firings = new Float64Array(featureCount);
  let squaredError = 0;
  try {
    for (let start = 0; start < tokens; start += BATCH_TOKENS) {
      const rows = Math.min(BATCH_TOKENS, tokens - start);
      const window = (data: Float32Array, width: number) => ({
        type: 'f32' as const,
        data: data.subarray(start * width, (start + rows) * width),
        dims: [rows, width],
      });
      const results = await session.run({
        x: window(input, inputWidth),
        y: window(output, outputWidth),
      });
      for (const value of f32Output(results, 'error')) squaredError += value;
      f32Output(results, 'counts').forEach((count, feature) => {
        firings[feature] = (firings[feature] as number) + count;
      });
    }
  } finally {
    await session.close();
  }
  const variance = squaredDeviation(output.subarray(0, tokens * outputWidth), outputWidth);
  return {
    tokens,
    explainedVariance: variance === 0 ? 0 : 1 - squaredError / variance,
    l0: firings.reduce((sum, count) => sum + count, 0) / tokens,
    deadShare: firings.filter((count) => count === 0).length / featureCount,
    firings,
  };
}

/** Sum of squared deviations from the mean, in float64. */
function squaredDeviation(data: Float32Array, width: number): number {
  const rows = data.length / width;
  const mean = columnMeans(data, width);
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < width; j++) {
      const difference = (data[row * width + j] as number) - (mean[j] as number);
      sum += difference * difference;
    }
  }
  return sum;
}

export function columnMeans(data: Float32Array, width: number): Float64Array {
  const rows = data.length / width;
  const mean = new Float64Array(width);
  for (let i = 0; i < data.length; i++) {
    mean[i % width] = (mean[i % width] as number) + (data[i] as number);
  }
  return mean.map((sum) => sum / rows);
}
