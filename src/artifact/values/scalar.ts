/**
 * Scalar number formats to float32. Half formats widen exactly; float64 rounds.
 * Sources: IEEE 754; "FP8 Formats for Deep Learning" (Micikevicius et al. 2022) for e4m3 and e5m2.
 */
import { elementBytes, type TensorDtype } from '../tensor.ts';

const FLOATS: ReadonlySet<TensorDtype> = new Set(['f16', 'bf16', 'f32', 'f64', 'f8e4m3', 'f8e5m2']);

export function isFloatDtype(dtype: TensorDtype): boolean {
  return FLOATS.has(dtype);
}

/** @param bytes little-endian, a whole number of elements */
export function decodeScalars(dtype: TensorDtype, bytes: Uint8Array): Float32Array {
  const width = elementBytes(dtype);
  const count = bytes.byteLength / width;
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  const at = <T>(view: new (buffer: ArrayBufferLike, offset: number, length: number) => T): T =>
    new view(aligned.buffer, aligned.byteOffset, count);
  switch (dtype) {
    case 'f32':
      return at(Float32Array);
    case 'bf16':
      return widenBfloat16(at(Uint16Array));
    case 'f16':
      return lookUp(at(Uint16Array), halfTable());
    case 'f8e4m3':
      return lookUp(aligned, e4m3Table());
    case 'f8e5m2':
      return lookUp(aligned, e5m2Table());
    case 'f64':
      return Float32Array.from(at(Float64Array));
    case 'bool':
    case 'u8':
      return Float32Array.from(aligned);
    case 'i8':
      return Float32Array.from(at(Int8Array));
    case 'u16':
      return Float32Array.from(at(Uint16Array));
    case 'i16':
      return Float32Array.from(at(Int16Array));
    case 'u32':
      return Float32Array.from(at(Uint32Array));
    case 'i32':
      return Float32Array.from(at(Int32Array));
    case 'u64':
      return Float32Array.from(at(BigUint64Array), Number);
    case 'i64':
      return Float32Array.from(at(BigInt64Array), Number);
  }
}

/** One IEEE half. */
export function halfToNumber(bits: number): number {
  return halfTable()[bits & 0xffff] as number;
}

export function widenBfloat16(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = (bits[i] as number) << 16;
  return new Float32Array(wide.buffer);
}

function lookUp(codes: Uint16Array | Uint8Array, table: Float32Array): Float32Array {
  const out = new Float32Array(codes.length);
  for (let i = 0; i < codes.length; i++) out[i] = table[codes[i] as number] as number;
  return out;
}

interface Layout {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  /** e4m3 gives up infinities: only all ones is NaN. */
  readonly hasInfinity: boolean;
}

function tableOf({ exponentBits, mantissaBits, hasInfinity }: Layout): Float32Array {
  const bits = 1 + exponentBits + mantissaBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const topExponent = 2 ** exponentBits - 1;
  const mantissaSize = 2 ** mantissaBits;
  return Float32Array.from({ length: 2 ** bits }, (_, code) => {
    const sign = code >= 2 ** (bits - 1) ? -1 : 1;
    const exponent = (code >> mantissaBits) & topExponent;
    const mantissa = code & (mantissaSize - 1);
    if (exponent === topExponent) {
      if (hasInfinity) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
      if (mantissa === mantissaSize - 1) return Number.NaN;
    }
    if (exponent === 0) return sign * (mantissa / mantissaSize) * 2 ** (1 - bias);
    return sign * (1 + mantissa / mantissaSize) * 2 ** (exponent - bias);
  });
}

function once(layout: Layout): () => Float32Array {
  let table: Float32Array | undefined;
  return () => {
    table ??= tableOf(layout);
    return table;
  };
}

const halfTable = once({ exponentBits: 5, mantissaBits: 10, hasInfinity: true });
const e5m2Table = once({ exponentBits: 5, mantissaBits: 2, hasInfinity: true });
const e4m3Table = once({ exponentBits: 4, mantissaBits: 3, hasInfinity: false });
