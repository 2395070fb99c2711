/**
 * fp8 weights with separate scales: one for the tensor, one a row, or one a block of 128 x 128
 * (`weight_scale`, `weight_scale_inv`). Sources: compressed-tensors' float-quantized format, DeepSeek-V3.
 */
import { elementCount } from '../../../artifact/tensor.ts';
import { ScanError } from '../../../errors.ts';
import type { PackedGroup, Unpacked } from './packing.ts';

const BLOCK = 128;
const MAX_SCALES = 2 ** 24;

/** @throws ScanError `E_TENSOR_SHAPE` */
export function unpackScaledFloats(group: PackedGroup): Unpacked | undefined {
  const weight = group.part('weight');
  const scale = group.part('weight_scale') ?? group.part('weight_scale_inv');
  if (weight?.values === undefined || scale?.values === undefined) return undefined;
  if (!weight.values.storage.startsWith('f8')) return undefined;
  const [rows = 0, columns = 0] = weight.shape;
  const count = elementCount(scale.shape);
  const across = Math.ceil(columns / BLOCK);
  const blocked = scale.shape.join() === `${Math.ceil(rows / BLOCK)},${across}`;
  if ((count !== 1 && count !== rows && !blocked) || count > MAX_SCALES) {
    throw new ScanError(
      'E_TENSOR_SHAPE',
      `scales [${scale.shape}] do not fit weight "${group.module}" [${weight.shape}]`,
      { file: weight.file },
    );
  }
  const scaleOf = (scales: Float32Array, i: number): number => {
    if (count === 1) return scales[0] as number;
    const row = Math.floor(i / columns);
    if (count === rows && !(blocked && rows <= 1)) return scales[row] as number;
    return scales[Math.floor(row / BLOCK) * across + Math.floor((i % columns) / BLOCK)] as number;
  };
  const { located: _located, ...rest } = weight.values;
  const inner = weight.values;
  let scales: Float32Array | undefined;
  return {
    values: {
      ...rest,
      storage: `${inner.storage}-scaled`,
      read: (first, length) => {
        scales ??= group.floats(scale);
        const known = scales;
        return inner.read(first, length).map((value, i) => value * scaleOf(known, first + i));
      },
    },
    used: ['weight_scale', 'weight_scale_inv', 'input_scale'].map(
      (suffix) => `${group.module}.${suffix}`,
    ),
  };
}
