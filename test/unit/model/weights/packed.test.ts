import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAll } from '../../../../src/artifact/values/tensor-values.ts';
import { openStored } from '../../../../src/model/weights.ts';
import { f32, type TensorToWrite, writeSafetensors } from '../../../cases/safetensors-writer.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-packed-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function unpacked(tensors: Record<string, TensorToWrite>, quantization?: object) {
  writeSafetensors(join(folder, 'model.safetensors'), tensors);
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify(quantization === undefined ? {} : { quantization_config: quantization }),
  );
  using stored = openStored(folder);
  const values = stored.tensors.get('m.weight')?.values;
  return {
    names: [...stored.tensors.keys()],
    shape: values?.shape,
    storage: values?.storage,
    data: values === undefined ? [] : [...readAll(values)],
  };
}

const i32 = (shape: readonly number[], data: Int32Array): TensorToWrite => ({
  dtype: 'I32',
  shape,
  data,
});

const INPUTS = 32;
const OUTPUTS = 16;
const GROUPS = 2;

/** Codes by [input][output], zero points and scales by [group][output]. */
const problem = (bits: 4 | 8) =>
  fc.record({
    codes: fc.array(fc.integer({ min: 0, max: 2 ** bits - 1 }), {
      minLength: INPUTS * OUTPUTS,
      maxLength: INPUTS * OUTPUTS,
    }),
    zeros: fc.array(fc.integer({ min: 1, max: 2 ** bits - 1 }), {
      minLength: GROUPS * OUTPUTS,
      maxLength: GROUPS * OUTPUTS,
    }),
  });
const scales = Float32Array.from({ length: GROUPS * OUTPUTS }, (_, i) => 2 ** ((i % 5) - 3));

function expectedWeights(codes: readonly number[], zeros: readonly number[]): number[] {
  const out: number[] = [];
  for (let o = 0; o < OUTPUTS; o++) {
    for (let i = 0; i < INPUTS; i++) {
      const g = i < INPUTS / 2 ? 0 : 1;
      const at = g * OUTPUTS + o;
      out.push(((codes[i * OUTPUTS + o] ?? 0) - (zeros[at] ?? 0)) * (scales[at] ?? 0) + 0);
    }
  }
  return out;
}

const put = (words: Int32Array, at: number, shift: number, code: number) => {
  words[at] = (words[at] ?? 0) | (code << shift);
};

describe('GPTQ', () => {
  it.each([4, 8] as const)('unpacks %i bits, packed along the inputs', (bits) => {
    fc.assert(
      fc.property(problem(bits), ({ codes, zeros }) => {
        const perWord = 32 / bits;
        const words = new Int32Array((INPUTS / perWord) * OUTPUTS);
        const zeroWords = new Int32Array((GROUPS * OUTPUTS) / perWord);
        for (let i = 0; i < INPUTS; i++) {
          for (let o = 0; o < OUTPUTS; o++) {
            const at = Math.floor(i / perWord) * OUTPUTS + o;
            put(words, at, (i % perWord) * bits, codes[i * OUTPUTS + o] ?? 0);
          }
        }
        for (const [k, zero] of zeros.entries()) {
          put(zeroWords, Math.floor(k / perWord), (k % perWord) * bits, zero - 1);
        }
        const result = unpacked(
          {
            'm.qweight': i32([INPUTS / perWord, OUTPUTS], words),
            'm.qzeros': i32([GROUPS, OUTPUTS / perWord], zeroWords),
            'm.scales': f32([GROUPS, OUTPUTS], scales),
          },
          { quant_method: 'gptq' },
        );
        expect(result.shape).toEqual([OUTPUTS, INPUTS]);
        expect(result.names).toEqual(['m.weight']);
        expect(result.storage).toBe(`gptq-${bits}bit`);
        expect(result.data.map((x) => x + 0)).toEqual(expectedWeights(codes, zeros));
      }),
      { numRuns: 10 },
    );
  });

  it('follows an activation order', () => {
    const order = Int32Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? 1 : 0));
    const result = unpacked({
      'm.qweight': i32([1, 8], new Int32Array(8).fill(0x11111111)),
      'm.qzeros': i32([2, 1], new Int32Array(2)),
      'm.scales': f32([2, 8], [...new Array(8).fill(1), ...new Array(8).fill(100)]),
      'm.g_idx': i32([8], order),
    });
    // Code 1 less zero point 0 + 1.
    expect(result.data.every((value) => value === 0)).toBe(true);
    const second = unpacked({
      'm.qweight': i32([1, 8], new Int32Array(8).fill(0x33333333)),
      'm.qzeros': i32([2, 1], new Int32Array(2)),
      'm.scales': f32([2, 8], [...new Array(8).fill(1), ...new Array(8).fill(100)]),
      'm.g_idx': i32([8], order),
    });
    expect(second.data.slice(0, 4)).toEqual([200, 2, 200, 2]);
  });
});

describe('AWQ', () => {
  it('unpacks 4 bits, packed along the outputs in its own order', () => {
    fc.assert(
      fc.property(problem(4), ({ codes, zeros }) => {
        const order = [0, 2, 4, 6, 1, 3, 5, 7];
        const pack = (rows: number, value: (row: number, o: number) => number) => {
          const words = new Int32Array((rows * OUTPUTS) / 8);
          for (let row = 0; row < rows; row++) {
            for (let word = 0; word < OUTPUTS / 8; word++) {
              for (const [place, within] of order.entries()) {
                put(words, (row * OUTPUTS) / 8 + word, place * 4, value(row, word * 8 + within));
              }
            }
          }
          return words;
        };
        const words = pack(INPUTS, (i, o) => codes[i * OUTPUTS + o] ?? 0);
        const zeroWords = pack(GROUPS, (g, o) => zeros[g * OUTPUTS + o] ?? 0);
        const result = unpacked(
          {
            'm.qweight': i32([INPUTS, OUTPUTS / 8], words),
            'm.qzeros': i32([GROUPS, OUTPUTS / 8], zeroWords),
            'm.scales': f32([GROUPS, OUTPUTS], scales),
          },
          { quant_method: 'awq' },
        );
        expect(result.storage).toBe('awq-4bit');
        expect(result.data.map((x) => x + 0)).toEqual(expectedWeights(codes, zeros));
      }),
      { numRuns: 10 },
    );
  });
});

describe('bitsandbytes', () => {
  const state = (fields: object) => {
    const data = Buffer.from(JSON.stringify(fields));
    return { dtype: 'U8', shape: [data.byteLength], data };
  };
  const u8 = (shape: readonly number[], data: readonly number[]) => ({
    dtype: 'U8',
    shape,
    data: Uint8Array.from(data),
  });
  const levels = f32(
    [16],
    Array.from({ length: 16 }, (_, i) => i / 8 - 1),
  );

  it('reads nibbles, high ones first, scaled by block', () => {
    const result = unpacked({
      'm.weight': u8([4, 1], [0x0f, 0x80, 0x88, 0xf0]),
      'm.weight.absmax': f32([2], [2, 10]),
      'm.weight.quant_map': levels,
      'm.weight.quant_state.bitsandbytes__nf4': state({ blocksize: 4, shape: [2, 4] }),
    });
    expect(result.shape).toEqual([2, 4]);
    expect(result.storage).toBe('bnb-nf4');
    expect(result.names).toEqual(['m.weight']);
    expect(result.data).toEqual([-2, 1.75, 0, -2, 0, 0, 8.75, -10]);
  });

  it('reads scales that are quantised themselves', () => {
    const table = Array.from({ length: 256 }, (_, i) => i / 100);
    const result = unpacked({
      'm.weight': u8([2, 1], [0xff, 0xff]),
      'm.weight.absmax': u8([2], [100, 200]),
      'm.weight.quant_map': levels,
      'm.weight.nested_absmax': f32([1], [3]),
      'm.weight.nested_quant_map': f32([256], table),
      'm.weight.quant_state.bitsandbytes__nf4': state({
        blocksize: 2,
        shape: [2, 2],
        nested_blocksize: 256,
        nested_offset: 1,
      }),
    });
    expect(result.data.map((x) => Math.round(x * 1e4) / 1e4)).toEqual([3.5, 3.5, 6.125, 6.125]);
  });

  it('reads int8 rows', () => {
    const result = unpacked({
      'm.weight': { dtype: 'I8', shape: [2, 2], data: Int8Array.of(127, -127, 0, 64) },
      'm.SCB': f32([2], [2, 12.7]),
    });
    expect(result.data.map((x) => Math.round(x * 1e4) / 1e4)).toEqual([2, -2, 0, 6.4]);
  });

  it('refuses parts that do not fit', () => {
    const parts = {
      'm.weight': u8([4, 1], [0, 0, 0, 0]),
      'm.weight.absmax': f32([2], [2, 10]),
      'm.weight.quant_map': levels,
    };
    const withState = (fields: object) => () =>
      unpacked({ ...parts, 'm.weight.quant_state.bitsandbytes__nf4': state(fields) });
    expect(withState({ blocksize: 4, shape: [2, 400] })).toThrow(/do not fit/);
    expect(withState({ blocksize: 0, shape: [2, 4] })).toThrow(/state cannot be read/);
    expect(withState({ blocksize: 4, shape: [2 ** 24, 2 ** 24] })).toThrow(/too large/);
  });
});

describe('scaled fp8', () => {
  it('multiplies by row scales and by blocks', () => {
    const codes = { dtype: 'F8_E4M3', shape: [2, 2], data: Uint8Array.of(0x38, 0x40, 0xb8, 0x38) };
    const rows = unpacked({ 'm.weight': codes, 'm.weight_scale': f32([2, 1], [10, 0.5]) });
    expect(rows.data).toEqual([10, 20, -0.5, 0.5]);
    expect(rows.names).toEqual(['m.weight']);
    const wide = {
      dtype: 'F8_E4M3',
      shape: [1, 130],
      data: new Uint8Array(130).fill(0x38),
    };
    const blocks = unpacked({ 'm.weight': wide, 'm.weight_scale_inv': f32([1, 2], [3, 7]) });
    expect([blocks.data[0], blocks.data[127], blocks.data[128]]).toEqual([3, 3, 7]);
    expect(() => unpacked({ 'm.weight': codes, 'm.weight_scale': f32([3], [1, 1, 1]) })).toThrow(
      /do not fit/,
    );
  });
});

it('says which words contradict each other', () => {
  expect(() =>
    unpacked({
      'm.qweight': i32([4, 8], new Int32Array(32)),
      'm.qzeros': i32([2, 3], new Int32Array(6)),
      'm.scales': f32([2, 8], new Float32Array(16)),
    }),
  ).toThrow(expect.objectContaining({ code: 'E_TENSOR_SHAPE' }));
});

describe('compressed-tensors', () => {
  const i64 = (values: readonly number[]): TensorToWrite => ({
    dtype: 'I64',
    shape: [values.length],
    data: BigInt64Array.from(values, BigInt),
  });
  // [output][group], where GPTQ's are [group][output].
  const turned = Float32Array.from({ length: OUTPUTS * GROUPS }, (_, at) => {
    const [o, g] = [Math.floor(at / GROUPS), at % GROUPS];
    return scales[g * OUTPUTS + o] ?? 0;
  });
  const packed = (bits: 4 | 8, codes: readonly number[]) => {
    const perWord = 32 / bits;
    const words = new Int32Array((OUTPUTS * INPUTS) / perWord);
    for (let o = 0; o < OUTPUTS; o++) {
      for (let i = 0; i < INPUTS; i++) {
        const word = o * (INPUTS / perWord) + Math.floor(i / perWord);
        put(words, word, (i % perWord) * bits, codes[i * OUTPUTS + o] ?? 0);
      }
    }
    return {
      'm.weight_packed': i32([OUTPUTS, INPUTS / perWord], words),
      'm.weight_scale': f32([OUTPUTS, GROUPS], turned),
      'm.weight_shape': i64([OUTPUTS, INPUTS]),
    };
  };

  it.each([4, 8] as const)('unpacks %i bits, symmetric and with zero points', (bits) => {
    fc.assert(
      fc.property(problem(bits), ({ codes, zeros }) => {
        const symmetric = unpacked(packed(bits, codes));
        const middle = zeros.map(() => 2 ** (bits - 1));
        expect(symmetric.data.map((x) => x + 0)).toEqual(expectedWeights(codes, middle));
        expect(symmetric.names).toEqual(['m.weight']);
        const perWord = 32 / bits;
        const points = new Int32Array((OUTPUTS / perWord) * GROUPS);
        for (let o = 0; o < OUTPUTS; o++) {
          for (let g = 0; g < GROUPS; g++) {
            const word = Math.floor(o / perWord) * GROUPS + g;
            put(points, word, (o % perWord) * bits, zeros[g * OUTPUTS + o] ?? 0);
          }
        }
        const pointed = unpacked({
          ...packed(bits, codes),
          'm.weight_zero_point': i32([OUTPUTS / perWord, GROUPS], points),
        });
        expect(pointed.data.map((x) => x + 0)).toEqual(expectedWeights(codes, zeros));
      }),
      { numRuns: 10 },
    );
  });

  it('scales signed bytes by row', () => {
    const weight = { dtype: 'I8', shape: [2, 2], data: Int8Array.of(-128, 3, 4, 127) };
    const { data, storage } = unpacked({
      'm.weight': weight,
      'm.weight_scale': f32([2, 1], [0.5, 2]),
    });
    expect(data).toEqual([-64, 1.5, 8, 254]);
    expect(storage).toBe('compressed-int8');
  });

  it('refuses parts that do not fit', () => {
    const good = packed(4, Array(INPUTS * OUTPUTS).fill(3));
    for (const [change, code] of [
      [{ 'm.weight_shape': i64([OUTPUTS, 10 ** 12]) }, 'E_TENSOR_SHAPE'],
      [{ 'm.weight_shape': i64([1, 2, 3]) }, 'E_TENSOR_SHAPE'],
      [{ 'm.weight_shape': i64([OUTPUTS, -8]) }, 'E_TENSOR_SHAPE'],
      [{ 'm.weight_scale': f32([3], [1, 1, 1]) }, 'E_TENSOR_SHAPE'],
      [{ 'm.weight_zero_point': i32([1, 1], new Int32Array(1)) }, 'E_TENSOR_SHAPE'],
    ] as const) {
      expect(() => unpacked({ ...good, ...change })).toThrow(expect.objectContaining({ code }));
    }
  });
});
