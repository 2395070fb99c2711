/** Tensors of GGUF files as numbers: scalar types and the block types that are decoded here. */
import type { ByteSource } from '../byte-source.ts';
import type { GgufTensor } from '../gguf/types.ts';
import { elementCount, type LocatedTensor, type TensorDtype } from '../tensor.ts';
import { type BlockDecoder, iq4_nl, q4_0, q4_1, q5_0, q5_1, q8_0 } from './ggml-blocks.ts';
import { iq4_xs, q2_k, q3_k, q4_k, q5_k, q6_k, q8_k } from './ggml-super-blocks.ts';
import { storedValues, type TensorValues } from './tensor-values.ts';

interface BlockType {
  readonly elements: number;
  readonly bytes: number;
  readonly decode: BlockDecoder;
}

const BLOCKS: ReadonlyMap<string, BlockType> = new Map([
  ['Q4_0', { elements: 32, bytes: 18, decode: q4_0 }],
  ['Q4_1', { elements: 32, bytes: 20, decode: q4_1 }],
  ['Q5_0', { elements: 32, bytes: 22, decode: q5_0 }],
  ['Q5_1', { elements: 32, bytes: 24, decode: q5_1 }],
  ['Q8_0', { elements: 32, bytes: 34, decode: q8_0 }],
  ['IQ4_NL', { elements: 32, bytes: 18, decode: iq4_nl }],
  ['Q2_K', { elements: 256, bytes: 84, decode: q2_k }],
  ['Q3_K', { elements: 256, bytes: 110, decode: q3_k }],
  ['Q4_K', { elements: 256, bytes: 144, decode: q4_k }],
  ['Q5_K', { elements: 256, bytes: 176, decode: q5_k }],
  ['Q6_K', { elements: 256, bytes: 210, decode: q6_k }],
  ['Q8_K', { elements: 256, bytes: 292, decode: q8_k }],
  ['IQ4_XS', { elements: 256, bytes: 136, decode: iq4_xs }],
]);

const SCALARS: Readonly<Record<string, TensorDtype>> = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  F64: 'f64',
};

export function decodedGgmlTypes(): readonly string[] {
  return [...Object.keys(SCALARS), ...BLOCKS.keys()];
}

/** Undefined for a type that is not decoded. The shape is row-major, the reverse of ggml's. */
export function ggmlValues(
  source: ByteSource,
  tensor: GgufTensor,
  file: string,
): TensorValues | undefined {
  const { name, ggmlType, byteOffset, byteLength } = tensor;
  const shape = tensor.dims.toReversed();
  const dtype = SCALARS[ggmlType];
  if (dtype !== undefined) {
    const located: LocatedTensor = { name, dtype, shape, byteOffset, byteLength, file };
    return storedValues(source, located);
  }
  const type = BLOCKS.get(ggmlType);
  if (type === undefined || elementCount(shape) % type.elements !== 0) return undefined;
  return {
    name,
    shape,
    storage: ggmlType.toLowerCase(),
    granularity: type.elements,
    read: (first, count) => {
      const blocks = count / type.elements;
      const at = byteOffset + (first / type.elements) * type.bytes;
      return decodeBlocks(source.read(at, blocks * type.bytes), type, blocks);
    },
  };
}

function decodeBlocks(bytes: Uint8Array, type: BlockType, blocks: number): Float32Array {
  const out = new Float32Array(blocks * type.elements);
  for (let block = 0; block < blocks; block++) {
    type.decode(bytes, block * type.bytes, out, block * type.elements);
  }
  return out;
}
