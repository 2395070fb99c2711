/** What a GGUF file holds, and the block sizes of ggml's tensor types (ggml.h, ggml-common.h). */

export type GgufScalarType =
  | 'u8'
  | 'i8'
  | 'u16'
  | 'i16'
  | 'u32'
  | 'i32'
  | 'f32'
  | 'bool'
  | 'u64'
  | 'i64'
  | 'f64';
export type GgufValueType = GgufScalarType | 'string' | 'array';

/** An array is described, not read: a vocabulary has a quarter of a million strings. */
export interface GgufArray {
  readonly elementType: GgufValueType;
  readonly count: number;
  /** Absolute offset and length of the elements. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** 64-bit integers outside ±2^53 stay `bigint`. */
export type GgufValue = number | bigint | boolean | string | GgufArray;

export interface GgufEntry {
  readonly key: string;
  readonly type: GgufValueType;
  readonly value: GgufValue;
  /** Absolute offsets of the key's length and of the value. */
  readonly keyOffset: number;
  readonly valueOffset: number;
}

export interface GgufTensor {
  readonly name: string;
  /** ggml's name, as in `Q4_K`; `unknown` for a type id that ggml does not have. */
  readonly ggmlType: string;
  readonly typeId: number;
  /** ggml's order: the first is the contiguous one. */
  readonly dims: readonly number[];
  /** Absolute. */
  readonly byteOffset: number;
  /** Zero for an unknown type. */
  readonly byteLength: number;
}

export interface GgufFile {
  readonly version: number;
  readonly alignment: number;
  /** The first entry of each key. */
  readonly metadata: ReadonlyMap<string, GgufEntry>;
  /** In file order. */
  readonly tensors: readonly GgufTensor[];
  /** First byte of tensor data. */
  readonly dataOffset: number;
  /** False when a problem ended the reading early. */
  readonly complete: boolean;
}

export const VALUE_TYPES: readonly GgufValueType[] = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
];

export const SCALAR_BYTES: Readonly<Record<GgufScalarType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** Type id to name, elements a block, bytes a block. */
export const GGML_TYPES: ReadonlyMap<
  number,
  readonly [name: string, elements: number, bytes: number]
> = new Map([
  [0, ['F32', 1, 4]],
  [1, ['F16', 1, 2]],
  [2, ['Q4_0', 32, 18]],
  [3, ['Q4_1', 32, 20]],
  [6, ['Q5_0', 32, 22]],
  [7, ['Q5_1', 32, 24]],
  [8, ['Q8_0', 32, 34]],
  [9, ['Q8_1', 32, 36]],
  [10, ['Q2_K', 256, 84]],
  [11, ['Q3_K', 256, 110]],
  [12, ['Q4_K', 256, 144]],
  [13, ['Q5_K', 256, 176]],
  [14, ['Q6_K', 256, 210]],
  [15, ['Q8_K', 256, 292]],
  [16, ['IQ2_XXS', 256, 66]],
  [17, ['IQ2_XS', 256, 74]],
  [18, ['IQ3_XXS', 256, 98]],
  [19, ['IQ1_S', 256, 50]],
  [20, ['IQ4_NL', 32, 18]],
  [21, ['IQ3_S', 256, 110]],
  [22, ['IQ2_S', 256, 82]],
  [23, ['IQ4_XS', 256, 136]],
  [24, ['I8', 1, 1]],
  [25, ['I16', 1, 2]],
  [26, ['I32', 1, 4]],
  [27, ['I64', 1, 8]],
  [28, ['F64', 1, 8]],
  [29, ['IQ1_M', 256, 56]],
  [30, ['BF16', 1, 2]],
  [31, ['Q4_0_4_4', 32, 18]],
  [32, ['Q4_0_4_8', 32, 18]],
  [33, ['Q4_0_8_8', 32, 18]],
  [34, ['TQ1_0', 256, 54]],
  [35, ['TQ2_0', 256, 66]],
  [36, ['IQ4_NL_4_4', 32, 18]],
  [37, ['IQ4_NL_4_8', 32, 18]],
  [38, ['IQ4_NL_8_8', 32, 18]],
  [39, ['MXFP4', 32, 17]],
  [40, ['NVFP4', 64, 36]],
  [41, ['Q1_0', 128, 18]],
]);
