/** A GGUF file from anyone: a clear error or a model, never another exception and no huge allocation. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { pieces } from '../../../../src/artifact/values/tensor-values.ts';
import { ScanError } from '../../../../src/errors.ts';
import { describeModel } from '../../../../src/model/families/registry.ts';
import { mergesFromScores } from '../../../../src/model/gguf/tokenizer.ts';
import { openGguf } from '../../../../src/model/gguf/weights.ts';
import { readModelConfig, readTokenizer } from '../../../../src/model/model-files.ts';
import { WeightSet } from '../../../../src/model/weights.ts';

const folder = mkdtempSync(join(tmpdir(), 'narrowfire-gguf-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'model.gguf');

/** Everything that opening does, short of running the model. */
function openWhole(bytes: Uint8Array): void {
  writeFileSync(file, bytes);
  using weights = openGguf([file]);
  for (const { values } of weights.tensors.values()) {
    if (values !== undefined) for (const _ of pieces(values));
  }
  const places = [...weights.tensors.values()].map(
    ({ name, shape }) =>
      [name, { name, shape, dtype: 'f32', byteOffset: 0, byteLength: 0, file }] as const,
  );
  describeModel(readModelConfig(file), new WeightSet(weights.files, new Map(places)));
  readTokenizer(file, 1000);
}

function problemOf(bytes: Uint8Array): ScanError | undefined {
  try {
    openWhole(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof ScanError && error.code !== 'E_INTERNAL') return error;
    throw error;
  }
}

describe.each(['llama', 'stories260K', 'gpt_neox', 'mixtral'])('%s', (name) => {
  const whole = readFileSync(`test/fixtures/gguf/${name}.gguf`);
  const headerBytes = name === 'stories260K' ? 30_000 : 4000;

  it('survives changed bytes', () => {
    const change = fc.tuple(fc.nat(headerBytes), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        problemOf(bytes);
      }),
      { numRuns: 40 },
    );
  });

  it('tells where a cut file ends', () => {
    for (const length of [0, 3, 10, 200, 1500, whole.length - 1]) {
      expect(problemOf(whole.subarray(0, length)), String(length)).toBeInstanceOf(ScanError);
    }
  });
});

it('names an architecture that it does not know', () => {
  const bytes = Buffer.from(readFileSync('test/fixtures/gguf/llama.gguf'));
  const at = bytes.indexOf('llama', bytes.indexOf('general.architecture'));
  bytes.write('xlama', at);
  expect(problemOf(bytes)).toMatchObject({
    code: 'E_ARCHITECTURE',
    hint: expect.stringContaining('qwen2'),
  });
});

it('asks for the other parts of a split model', () => {
  const text = (value: string) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(value.length));
    return Buffer.concat([length, Buffer.from(value)]);
  };
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const u64 = (value: number) => Buffer.concat([u32(value), u32(0)]);
  const entries = [
    Buffer.concat([text('general.architecture'), u32(8), text('llama')]),
    Buffer.concat([text('split.count'), u32(4), u32(3)]),
  ];
  const head = [Buffer.from('GGUF'), u32(3), u64(0), u64(entries.length)];
  const bytes = Buffer.concat([...head, ...entries]);
  const padding = Buffer.alloc((32 - (bytes.length % 32)) % 32);
  const problem = problemOf(Buffer.concat([bytes, padding]));
  expect(problem).toMatchObject({
    code: 'E_NOT_FOUND',
    hint: expect.stringContaining('names that the parts were split under'),
  });
});

it('derives merges with better pieces first', () => {
  const tokens = ['a', 'b', 'c', 'ab', 'abc', 'bc', '__proto__'];
  const vocab = new Map(tokens.map((token, id) => [token, id]));
  expect(mergesFromScores(tokens, [0, 0, 0, -1, -3, -2, -9], vocab)).toEqual([
    ['a', 'b'],
    ['b', 'c'],
    ['a', 'bc'],
    ['ab', 'c'],
  ]);
});
