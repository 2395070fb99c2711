/**
 * compressed-tensors: `pack-quantized` (4 or 8-bit integers in 32-bit words along the inputs, a scale for each output or
 * group of inputs) and `int-quantized` (signed bytes). Zero points are packed along the outputs; without them the codes
 * are symmetric. Source: compressed-tensors `pack_to_int32`, `dequantize`. Sparse and nvfp4 forms are not read.
 */
import { elementCount } from '../../../artifact/tensor.ts';
import { ScanError } from '../../../errors.ts';
import type { StoredTensor } from '../stored.ts';
import {
  computedMatrix,
  int32,
  MAX_PACKED_ELEMENTS,
  type PackedGroup,
  type Unpacked,
} from './packing.ts';

const WORD_BITS = 32;
const SUFFIXES = [
  'weight_packed',
  'weight_scale',
  'weight_zero_point',
  'weight_shape',
  'weight_g_idx',
];

/** @throws ScanError `E_TENSOR_SHAPE`, `E_DTYPE`, `E_LIMIT` */
export function unpackCompressed(group: PackedGroup): Unpacked | undefined {
  const words = group.part('weight_packed');
  const scale = group.part('weight_scale');
  const shape = group.part('weight_shape');
  if (words === undefined || scale?.values === undefined || shape === undefined) return undefined;
  const fail = failure(group, words);
  if (words.located?.dtype !== 'i32') throw fail('E_DTYPE', 'its words are not 32-bit integers');
  if (elementCount(shape.shape) !== 2) throw fail('E_TENSOR_SHAPE', 'its shape is no matrix');
  const [outputs = 0, inputs = 0] = integers(group, shape);
  const [rows = 0, columns = 0] = words.shape;
  const bits = [4, 8].find((count) => Math.ceil(inputs / (WORD_BITS / count)) === columns);
  if (rows !== outputs || bits === undefined || inputs < 1) {
    throw fail('E_TENSOR_SHAPE', `[${words.shape}] does not hold [${outputs},${inputs}]`);
  }
  if (inputs * outputs > MAX_PACKED_ELEMENTS) throw fail('E_LIMIT', 'it is too large');
  const groups = elementCount(scale.shape) / outputs;
  const zeros = group.part('weight_zero_point');
  const perWord = WORD_BITS / bits;
  const fits =
    Number.isInteger(groups) &&
    groups > 0 &&
    inputs % groups === 0 &&
    (zeros === undefined ||
      (zeros.located?.dtype === 'i32' &&
        zeros.shape.join() === `${Math.ceil(outputs / perWord)},${groups}`));
  if (!fits)
    throw fail('E_TENSOR_SHAPE', `scales [${scale.shape}] do not fit [${outputs},${inputs}]`);
  const order = group.part('weight_g_idx');
  const compute = () => {
    const codes = int32(group.bytes(words));
    const steps = group.floats(scale);
    const points = zeros === undefined ? undefined : int32(group.bytes(zeros));
    const groupOf = order === undefined ? undefined : integers(group, order);
    const mask = 2 ** bits - 1;
    const middle = 2 ** (bits - 1);
    const out = new Float32Array(inputs * outputs);
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        const plain = Math.floor((i * groups) / inputs);
        const g = Math.min(groups - 1, Math.max(0, groupOf?.[i] ?? plain));
        const word = codes[o * columns + Math.floor(i / perWord)] as number;
        const code = (word >>> ((i % perWord) * bits)) & mask;
        const point = points?.[Math.floor(o / perWord) * groups + g];
        const zero = point === undefined ? middle : (point >>> ((o % perWord) * bits)) & mask;
        out[o * inputs + i] = (code - zero) * (steps[o * groups + g] as number);
      }
    }
    return out;
  };
  return {
    values: computedMatrix(
      `${group.module}.weight`,
      [outputs, inputs],
      `compressed-${bits}bit`,
      compute,
    ),
    used: SUFFIXES.map((suffix) => `${group.module}.${suffix}`),
  };
}

/** @throws ScanError `E_TENSOR_SHAPE` */
export function unpackScaledBytes(group: PackedGroup): Unpacked | undefined {
  const weight = group.part('weight');
  const scale = group.part('weight_scale');
  if (weight?.located?.dtype !== 'i8' || scale?.values === undefined) return undefined;
  const [outputs = 0, inputs = 0, ...more] = weight.shape;
  const fail = failure(group, weight);
  const count = elementCount(scale.shape);
  const groups = count === 1 ? 1 : count / outputs;
  if (more.length > 0 || !Number.isInteger(groups) || groups < 1 || inputs % groups !== 0) {
    throw fail('E_TENSOR_SHAPE', `scales [${scale.shape}] do not fit [${weight.shape}]`);
  }
  if (outputs * inputs > MAX_PACKED_ELEMENTS) throw fail('E_LIMIT', 'it is too large');
  const zeros = group.part('weight_zero_point');
  if (zeros !== undefined && elementCount(zeros.shape) !== count) {
    throw fail('E_TENSOR_SHAPE', `zero points [${zeros.shape}] do not fit its scales`);
  }
  const compute = () => {
    const codes = new Int8Array(new Uint8Array(group.bytes(weight)).buffer);
    const steps = group.floats(scale);
    const points = zeros === undefined ? undefined : integers(group, zeros);
    return Float32Array.from(codes, (code, at) => {
      const [o, i] = [Math.floor(at / inputs), at % inputs];
      const index = count === 1 ? 0 : o * groups + Math.floor((i * groups) / inputs);
      return (code - (points?.[index] ?? 0)) * (steps[index] as number);
    });
  };
  const name = `${group.module}.weight`;
  return {
    values: computedMatrix(name, [outputs, inputs], 'compressed-int8', compute),
    used: ['weight_scale', 'weight_zero_point', 'input_scale', 'input_zero_point'].map(
      (suffix) => `${group.module}.${suffix}`,
    ),
  };
}

/** Of any integer type; 64-bit ones beyond 2^53 lose their lowest bits, which no count here has. */
function integers(group: PackedGroup, part: StoredTensor): number[] {
  const bytes = new Uint8Array(group.bytes(part));
  switch (part.located?.dtype) {
    case 'i64':
      return Array.from(new BigInt64Array(bytes.buffer), Number);
    case 'i32':
      return [...new Int32Array(bytes.buffer)];
    case 'i8':
      return [...new Int8Array(bytes.buffer)];
    default:
      throw failure(group, part)('E_DTYPE', `${part.name} holds no integers`);
  }
}

function failure(group: PackedGroup, part: StoredTensor) {
  return (code: 'E_TENSOR_SHAPE' | 'E_DTYPE' | 'E_LIMIT', problem: string) =>
    new ScanError(code, `packed weight "${group.module}": ${problem}`, { file: part.file });
}
