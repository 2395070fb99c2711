/** Every weight tensor read once: values that are no numbers, repeated tensors, token rows far from their peers. */
import { createHash } from 'node:crypto';
import { elementCount } from '../../artifact/tensor.ts';
import { pieces } from '../../artifact/values/tensor-values.ts';
import type { WeightEvidence } from '../../evidence/weight.ts';
import type { StoredTensor, StoredWeights } from '../../model/weights/stored.ts';
import { Moments } from './moments.ts';
import { outliers } from './robust.ts';

const MIN_ROW_Z = 5;
const MAX_ROWS = 50;
const MAX_NAMES = 20;
/** Shorter tensors (scales, a few biases) are equal by chance or design. */
const MIN_COMPARED_ELEMENTS = 256;
/** Tables that every layer repeats by design. */
const BUFFERS = /(inv_freq|position_ids|masked_bias|rotary_emb\.\w+|attn\.bias)$/;

export interface CensusContext {
  /** Evidence path of a tensor's file. */
  pathOf(file: string): string;
  /** Empty when the tokenizer cannot be read. */
  tokenText(tokenId: number): string;
  /** Token matrix, [vocabulary, width]. */
  readonly embedding: string | undefined;
  readonly head: string | undefined;
  /** Called before each tensor; throws to stop. */
  onTensor?(done: number, total: number): void;
}

export function census(weights: StoredWeights, context: CensusContext): readonly WeightEvidence[] {
  const evidence: WeightEvidence[] = [];
  const byDigest = new Map<string, StoredTensor[]>();
  const tensors = [...weights.tensors.values()].filter(({ values }) => values !== undefined);
  for (const [index, tensor] of tensors.entries()) {
    context.onTensor?.(index, tensors.length);
    const { moments, digest, rowNorms } = readOnce(tensor, tensor.name === context.embedding);
    const { name } = tensor;
    const path = context.pathOf(tensor.file);
    if (moments.nanCount + moments.infiniteCount > 0) {
      evidence.push({
        kind: 'non-finite-tensor',
        path,
        location: placeOf(tensor),
        tensor: name,
        nanCount: moments.nanCount,
        infiniteCount: moments.infiniteCount,
        elementCount: elementCount(tensor.shape),
      });
    }
    if (!moments.constant && elementCount(tensor.shape) >= MIN_COMPARED_ELEMENTS) {
      byDigest.set(digest, [...(byDigest.get(digest) ?? []), tensor]);
    }
    for (const { index: tokenId, value, robustZ } of outliers(rowNorms, MIN_ROW_Z, MAX_ROWS)) {
      evidence.push({
        kind: 'embedding-outlier',
        path,
        location: placeOf(tensor),
        tensor: name,
        tokenId,
        tokenText: context.tokenText(tokenId),
        norm: value,
        robustZ,
      });
    }
  }
  for (const group of byDigest.values()) evidence.push(...identical(group, context));
  return evidence;
}

export function placeOf(tensor: StoredTensor) {
  const { located } = tensor;
  if (located === undefined) return { tensor: tensor.name };
  const { byteOffset, byteLength } = located;
  return { tensor: tensor.name, byteOffset, byteLength };
}

function readOnce(tensor: StoredTensor, wantRows: boolean) {
  const moments = new Moments();
  const hash = createHash('sha256').update(tensor.shape.join());
  const width = elementCount(tensor.shape.slice(1));
  const rowSquares = new Float64Array(wantRows && width > 0 ? (tensor.shape[0] ?? 0) : 0);
  if (tensor.values !== undefined) {
    for (const { first, data } of pieces(tensor.values)) {
      moments.add(data);
      hash.update(data);
      if (rowSquares.length > 0) addRowSquares(rowSquares, width, first, data);
    }
  }
  return { moments, digest: hash.digest('hex'), rowNorms: rowSquares.map(Math.sqrt) };
}

/** Adds the squares of a piece that begins at element `first` to the rows it belongs to. */
export function addRowSquares(
  rowSquares: Float64Array,
  width: number,
  first: number,
  data: Float32Array,
): void {
  let row = Math.floor(first / width);
  let left = width - (first % width);
  let sum = 0;
  for (const value of data) {
    sum += value * value;
    if (--left > 0) continue;
    (rowSquares[row] as number) += sum;
    sum = 0;
    row++;
    left = width;
  }
  if (left < width) (rowSquares[row] as number) += sum;
}

function identical(
  group: readonly StoredTensor[],
  { embedding, head, pathOf }: CensusContext,
): WeightEvidence[] {
  const tied = (name: string) => name === embedding || name === head || BUFFERS.test(name);
  const names = group.map(({ name }) => name).sort();
  const [first, ...others] = group;
  if (first === undefined || others.length === 0 || names.every(tied)) return [];
  const [tensor = '', ...rest] = names;
  const holder = group.find(({ name }) => name === tensor) ?? first;
  return [
    {
      kind: 'identical-tensors',
      path: pathOf(holder.file),
      location: placeOf(holder),
      tensor,
      others: rest.slice(0, MAX_NAMES),
      tensorCount: names.length,
      elementCount: elementCount(holder.shape),
    },
  ];
}
