import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeScalars } from '../../../../src/artifact/values/scalar.ts';

const bytesOf = (view: ArrayBufferView) =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

describe('decodeScalars', () => {
  it('reads halves: normal, subnormal, infinite, not a number', () => {
    const codes = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0xfc00, 0x7e00);
    expect([...decodeScalars('f16', bytesOf(codes))]).toEqual([
      1,
      -2,
      2 ** -24,
      65504,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]);
  });

  it('reads e4m3 without infinities and e5m2 with them', () => {
    expect([...decodeScalars('f8e4m3', Uint8Array.of(0x38, 0x7e, 0x01, 0x7f, 0xb8))]).toEqual([
      1,
      448,
      2 ** -9,
      Number.NaN,
      -1,
    ]);
    expect([...decodeScalars('f8e5m2', Uint8Array.of(0x3c, 0x7b, 0x01, 0x7c, 0x7f))]).toEqual([
      1,
      57344,
      2 ** -16,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ]);
  });

  it('widens bfloat16 exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), (code) => {
        const [value] = decodeScalars('bf16', bytesOf(Uint16Array.of(code)));
        const wide = new Uint32Array(Float32Array.of(value as number).buffer)[0] as number;
        if (!Number.isNaN(value)) expect(wide >>> 16).toBe(code);
      }),
    );
  });

  it('e5m2 is the upper byte of a half', () => {
    for (let code = 0; code < 256; code++) {
      const half = decodeScalars('f16', bytesOf(Uint16Array.of(code << 8)));
      expect(decodeScalars('f8e5m2', Uint8Array.of(code))).toEqual(half);
    }
  });

  it('reads from any offset without touching its input', () => {
    const bytes = new Uint8Array(9);
    bytes.set(bytesOf(Float32Array.of(1.5, -2)), 1);
    expect([...decodeScalars('f32', bytes.subarray(1))]).toEqual([1.5, -2]);
    expect([...decodeScalars('f64', bytesOf(Float64Array.of(0.1)))]).toEqual([Math.fround(0.1)]);
  });
});
