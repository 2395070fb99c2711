/** A LoRA or DoRA adapter laid onto its base: B·A is added row by row while the base is read. */

import { statSync } from 'node:fs';
import { elementCount } from '../../artifact/tensor.ts';
import { readAll, readRows, type TensorValues } from '../../artifact/values/tensor-values.ts';
import { ScanError } from '../../errors.ts';
import { type Adapter, type LowRankPair, openAdapter } from './adapter.ts';
import { withOutputNorms } from './output-norms.ts';
import type { StoredTensor, StoredWeights, WeightFile } from './stored.ts';

const MAX_FACTOR_ELEMENTS = 2 ** 28;
/** Wrappers that a base may be saved without. */
const PREFIXES = ['', 'model.', 'transformer.', 'base_model.'];

/**
 * @param base is disposed with the result
 * @throws ScanError `E_TENSOR_MISSING`, `E_TENSOR_SHAPE`, `E_MODEL_CONFIG`
 */
export function openMerged(adapterFolder: string, base: StoredWeights): StoredWeights {
  const adapter = openAdapter(adapterFolder);
  const close = () => {
    adapter[Symbol.dispose]();
    base[Symbol.dispose]();
  };
  try {
    const tensors = new Map(base.tensors);
    for (const pair of adapter.pairs) {
      const target = moduleWeight(base, pair, adapter);
      const updated = withUpdate(target, pair, adapter.fanInFanOut);
      const turned = isTurned(target, pair, adapter.fanInFanOut);
      const { magnitude } = pair;
      const values =
        magnitude === undefined ? updated : withOutputNorms(updated, magnitude, turned);
      tensors.set(target.name, { name: target.name, shape: values.shape, values, file: pair.file });
    }
    for (const [name, replacement] of adapter.replacements) {
      const known = PREFIXES.map((prefix) => prefix + name).find((key) => base.tensors.has(key));
      tensors.set(known ?? name, named(replacement, known ?? name));
    }
    const files = [...base.files, ...adapter.weights.files, fileOf(adapter.configFile)];
    return {
      format: 'merged',
      files,
      tensors,
      recipe: base.recipe,
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function fileOf(path: string): WeightFile {
  const { size, mtimeMs } = statSync(path);
  return { path, byteLength: size, mtimeMs };
}

function named(tensor: StoredTensor, name: string): StoredTensor {
  return {
    ...tensor,
    name,
    ...(tensor.located !== undefined && { located: { ...tensor.located, name } }),
    ...(tensor.values !== undefined && { values: { ...tensor.values, name } }),
  };
}

function moduleWeight(base: StoredWeights, { module, file }: LowRankPair, adapter: Adapter) {
  const stripped = PREFIXES.filter((prefix) => prefix !== '' && module.startsWith(prefix)).map(
    (prefix) => module.slice(prefix.length),
  );
  const names = [...PREFIXES.map((prefix) => prefix + module), ...stripped];
  for (const name of names) {
    const found = base.tensors.get(`${name}.weight`);
    if (found?.values !== undefined) return found;
  }
  throw new ScanError('E_TENSOR_MISSING', `the base has no weight for module "${module}"`, {
    file,
    hint: `Give the base model of ${adapter.configFile} with --base.`,
  });
}

/** Which way round the product lies on the stored weight. */
function isTurned(target: StoredTensor, pair: LowRankPair, fanInFanOut: boolean): boolean {
  const [out = 0] = pair.up.shape;
  const [, input = 0] = pair.down.shape;
  const shape = target.shape.join();
  const straight = shape === `${out},${input}`;
  const turned = shape === `${input},${out}`;
  // An embedding is stored [vocabulary, width] and its update is [width, vocabulary].
  const wantsTurned = pair.kind === 'embedding' || fanInFanOut;
  if (turned && (wantsTurned || !straight)) return true;
  if (straight) return false;
  throw new ScanError(
    'E_TENSOR_SHAPE',
    `the update of "${pair.module}" is [${out},${input}], its weight is [${target.shape}]`,
    { file: pair.file },
  );
}

function withUpdate(target: StoredTensor, pair: LowRankPair, fanInFanOut: boolean): TensorValues {
  const { up, down, rank, scale } = pair;
  if (Math.max(elementCount(up.shape), elementCount(down.shape)) > MAX_FACTOR_ELEMENTS) {
    throw new ScanError('E_LIMIT', `the LoRA pair of "${pair.module}" is too large`, {
      file: pair.file,
    });
  }
  const base = target.values;
  if (base === undefined) throw new Error(`${target.name} has no values`);
  const turned = isTurned(target, pair, fanInFanOut);
  const [, width = 0] = target.shape;
  let factors: { readonly a: Float32Array; readonly b: Float32Array } | undefined;
  const { located: _located, ...rest } = base;
  return {
    ...rest,
    name: target.name,
    granularity: width,
    read: (first, count) => {
      factors ??= { a: readAll(down), b: readAll(up) };
      const rows = count / width;
      const firstRow = first / width;
      const out = readRows(base, firstRow, rows).slice();
      for (let row = 0; row < rows; row++) {
        const line = out.subarray(row * width, (row + 1) * width);
        addRow(line, factors, { rank, scale, turned, row: firstRow + row });
      }
      if (first + count === elementCount(target.shape)) factors = undefined;
      return out;
    },
  };
}

/** Row r of scale·B·A is the sum over k of B[r,k]·A[k,:]; of its transpose, of A[k,r]·B[:,k]. */
function addRow(
  line: Float32Array,
  { a, b }: { readonly a: Float32Array; readonly b: Float32Array },
  {
    rank,
    scale,
    turned,
    row,
  }: {
    readonly rank: number;
    readonly scale: number;
    readonly turned: boolean;
    readonly row: number;
  },
): void {
  const width = line.length;
  const sums = new Float64Array(width);
  const columnsOfA = a.length / rank;
  for (let k = 0; k < rank; k++) {
    const factor = turned ? (a[k * columnsOfA + row] as number) : (b[row * rank + k] as number);
    for (let c = 0; c < width; c++) {
      const other = turned ? (b[c * rank + k] as number) : (a[k * width + c] as number);
      (sums[c] as number) += factor * other;
    }
  }
  for (let c = 0; c < width; c++) {
    line[c] = (line[c] as number) + scale * (sums[c] as number);
  }
}
