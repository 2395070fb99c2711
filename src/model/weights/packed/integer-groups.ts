/**
 * GPTQ and AWQ: 2, 4 or 8-bit integers in 32-bit words with a scale and a zero point for each group of inputs.
 * GPTQ packs along the inputs, AWQ along the outputs and shuffles each word's eight. Both give [out, in].
 * Sources: AutoGPTQ and GPTQModel (`qlinear`), AutoAWQ (`WQLinear_GEMM`).
 */
import { ScanError } from '../../../errors.ts';
import {
  computedMatrix,
  int32,
  MAX_PACKED_ELEMENTS,
  type PackedGroup,
  type PackingSettings,
  type Unpacked,
} from './packing.ts';

/** Output that each 4-bit place of an AWQ word holds. */
const AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7] as const;
const WORD_BITS = 32;

/** @throws ScanError `E_TENSOR_SHAPE`, `E_LIMIT`, `E_DTYPE` */
export function unpackIntegerGroups(
  group: PackedGroup,
  settings: PackingSettings,
): Unpacked | undefined {
  const weight = group.part('qweight');
  const zeros = group.part('qzeros');
  const scales = group.part('scales');
  if (weight === undefined || zeros === undefined || scales === undefined) return undefined;
  const [rows = 0, columns = 0] = weight.shape;
  const [groups = 0, outputs = 0] = scales.shape;
  const fail = (code: 'E_TENSOR_SHAPE' | 'E_DTYPE' | 'E_LIMIT', problem: string) =>
    new ScanError(code, `packed weight "${group.module}": ${problem}`, { file: weight.file });
  if (weight.located?.dtype !== 'i32' || zeros.located?.dtype !== 'i32') {
    throw fail('E_DTYPE', 'its words are not 32-bit integers');
  }
  const isAwq = settings.method === 'awq' || columns !== outputs;
  const zeroWords = zeros.shape[1] ?? 0;
  const bits = isAwq ? 4 : (WORD_BITS * zeroWords) / outputs;
  const perWord = WORD_BITS / bits;
  const inputs = isAwq ? rows : rows * perWord;
  const fits =
    (bits === 2 || bits === 4 || bits === 8) &&
    columns * (isAwq ? perWord : 1) === outputs &&
    zeroWords * perWord === outputs &&
    zeros.shape[0] === groups &&
    groups > 0 &&
    inputs % groups === 0;
  if (!fits) {
    const shapes = [weight, zeros, scales].map(({ shape }) => `[${shape}]`).join(', ');
    throw fail('E_TENSOR_SHAPE', `${shapes} do not fit together`);
  }
  if (inputs * outputs > MAX_PACKED_ELEMENTS) throw fail('E_LIMIT', 'it is too large');
  const order = isAwq ? undefined : group.part('g_idx');
  const compute = () => {
    const words = int32(group.bytes(weight));
    const zeroPoints = int32(group.bytes(zeros));
    const steps = group.floats(scales);
    const groupOf = order === undefined ? undefined : int32(group.bytes(order));
    const mask = 2 ** bits - 1;
    const plusOne = isAwq || settings.zeroPointsAsStored ? 0 : 1;
    const place = (output: number): [word: number, shift: number] => {
      const within = output % perWord;
      const at = isAwq ? AWQ_ORDER.indexOf(within as 0) : within;
      return [Math.floor(output / perWord), at * bits];
    };
    const out = new Float32Array(inputs * outputs);
    for (let o = 0; o < outputs; o++) {
      const [word, shift] = place(o);
      for (let i = 0; i < inputs; i++) {
        const g = Math.min(
          groups - 1,
          Math.max(0, groupOf?.[i] ?? Math.floor((i * groups) / inputs)),
        );
        const zero = (((zeroPoints[g * zeroWords + word] as number) >>> shift) & mask) + plusOne;
        const code = isAwq
          ? ((words[i * columns + word] as number) >>> shift) & mask
          : ((words[Math.floor(i / perWord) * columns + o] as number) >>> ((i % perWord) * bits)) &
            mask;
        out[o * inputs + i] = (code - zero) * (steps[g * outputs + o] as number);
      }
    }
    return out;
  };
  const storage = `${isAwq ? 'awq' : 'gptq'}-${bits}bit`;
  const used = ['qweight', 'qzeros', 'scales', 'g_idx'].map(
    (suffix) => `${group.module}.${suffix}`,
  );
  const name = `${group.module}.weight`;
  return { values: computedMatrix(name, [outputs, inputs], storage, compute), used };
}
