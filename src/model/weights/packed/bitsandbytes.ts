/**
 * bitsandbytes: NF4 and FP4 nibbles (high first) that index a table of 16 levels, scaled by the largest magnitude
 * of each block, which may be quantised itself; and int8 rows with one scale each.
 * Source: bitsandbytes `functional.py` (`QuantState`), transformers' bitsandbytes integration.
 */
import { z } from 'zod';
import { elementCount } from '../../../artifact/tensor.ts';
import { ScanError } from '../../../errors.ts';
import { computedMatrix, MAX_PACKED_ELEMENTS, type PackedGroup, type Unpacked } from './packing.ts';

const STATE = z.object({
  blocksize: z.int().min(1).max(65_536),
  shape: z.tuple([
    z
      .int()
      .min(1)
      .max(2 ** 24),
    z
      .int()
      .min(1)
      .max(2 ** 24),
  ]),
  nested_blocksize: z.int().min(1).max(65_536).optional(),
  nested_offset: z.number().optional(),
});
const MAX_STATE_BYTES = 4096;
const INT8_RANGE = 127;

/** @throws ScanError `E_FORMAT`, `E_TENSOR_SHAPE`, `E_LIMIT` */
export function unpackNibbles(group: PackedGroup): Unpacked | undefined {
  const weight = group.part('weight');
  const absmax = group.part('weight.absmax');
  const levels = group.part('weight.quant_map');
  const kind = ['nf4', 'fp4'].find(
    (name) => group.part(`weight.quant_state.bitsandbytes__${name}`) !== undefined,
  );
  const stateTensor = group.part(`weight.quant_state.bitsandbytes__${kind}`);
  if (weight === undefined || absmax === undefined || levels === undefined) return undefined;
  if (stateTensor === undefined) return undefined;
  const fail = (code: 'E_FORMAT' | 'E_TENSOR_SHAPE' | 'E_LIMIT', problem: string) =>
    new ScanError(code, `packed weight "${group.module}": ${problem}`, { file: weight.file });
  if (elementCount(stateTensor.shape) > MAX_STATE_BYTES)
    throw fail('E_LIMIT', 'its state is large');
  const parsed = STATE.safeParse(parseJson(group.bytes(stateTensor)));
  if (!parsed.success) throw fail('E_FORMAT', 'its state cannot be read');
  const { blocksize, shape, nested_blocksize: outer, nested_offset: offset } = parsed.data;
  const [rows, columns] = shape;
  const total = rows * columns;
  const blocks = Math.ceil(total / blocksize);
  if (total > MAX_PACKED_ELEMENTS) throw fail('E_LIMIT', 'it is too large');
  const nested = group.part('weight.nested_absmax');
  const nestedLevels = group.part('weight.nested_quant_map');
  const fits =
    elementCount(weight.shape) === Math.ceil(total / 2) &&
    elementCount(absmax.shape) === blocks &&
    elementCount(levels.shape) === 16 &&
    (nested === undefined ||
      (outer !== undefined &&
        nestedLevels !== undefined &&
        elementCount(nestedLevels.shape) === 256 &&
        elementCount(nested.shape) === Math.ceil(blocks / outer)));
  if (!fits) throw fail('E_TENSOR_SHAPE', `its parts do not fit [${shape}]`);
  const scales = (): Float32Array => {
    if (nested === undefined || nestedLevels === undefined) return group.floats(absmax);
    const codes = group.bytes(absmax);
    const table = group.floats(nestedLevels);
    const steps = group.floats(nested);
    return Float32Array.from(codes, (code, block) => {
      const step = steps[Math.floor(block / (outer ?? 256))] as number;
      return (table[code] as number) * step + (offset ?? 0);
    });
  };
  const compute = () => {
    const codes = group.bytes(weight);
    const table = group.floats(levels);
    const magnitude = scales();
    const out = new Float32Array(total);
    for (let i = 0; i < total; i++) {
      const byte = codes[i >> 1] as number;
      const code = i % 2 === 0 ? byte >> 4 : byte & 15;
      out[i] = (table[code] as number) * (magnitude[Math.floor(i / blocksize)] as number);
    }
    return out;
  };
  const suffixes = ['absmax', 'quant_map', 'nested_absmax', 'nested_quant_map'];
  const used = [...suffixes, `quant_state.bitsandbytes__${kind}`];
  return {
    values: computedMatrix(`${group.module}.weight`, [rows, columns], `bnb-${kind}`, compute),
    used: used.map((suffix) => `${group.module}.weight.${suffix}`),
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Rows of signed bytes, each 127th of its `SCB`. */
export function unpackInt8Rows(group: PackedGroup): Unpacked | undefined {
  const weight = group.part('weight');
  const scales = group.part('SCB');
  if (weight?.located?.dtype !== 'i8' || scales === undefined) return undefined;
  const [rows = 0, columns = 0, ...more] = weight.shape;
  if (more.length > 0 || elementCount(scales.shape) !== rows) {
    throw new ScanError(
      'E_TENSOR_SHAPE',
      `packed weight "${group.module}": [${weight.shape}] with ${elementCount(scales.shape)} scales`,
      { file: weight.file },
    );
  }
  if (rows * columns > MAX_PACKED_ELEMENTS) return undefined;
  const compute = () => {
    const codes = group.bytes(weight);
    const steps = group.floats(scales);
    const out = new Float32Array(rows * columns);
    for (let i = 0; i < out.length; i++) {
      const code = ((codes[i] as number) << 24) >> 24;
      out[i] = (code * (steps[Math.floor(i / columns)] as number)) / INT8_RANGE;
    }
    return out;
  };
  const used = ['SCB', 'weight_format'].map((suffix) => `${group.module}.${suffix}`);
  return {
    values: computedMatrix(`${group.module}.weight`, [rows, columns], 'bnb-int8', compute),
    used,
  };
}
