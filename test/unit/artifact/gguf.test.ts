import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemorySource } from '../../../src/artifact/byte-source.ts';
import { ggufStrings, ggufTemplates, readGguf } from '../../../src/artifact/gguf/reader.ts';
import type { FormatProblem } from '../../../src/artifact/problem.ts';
import { ScanError } from '../../../src/errors.ts';
import { type GgufSpec, ggufFile, ggufText, ggufTexts, ggufU32 } from '../../cases/formats/gguf.ts';

const source = (spec: GgufSpec): MemorySource => new MemorySource(ggufFile(spec), 'test');

function problemsOf(spec: GgufSpec): string[] {
  const problems: FormatProblem[] = [];
  readGguf(source(spec), (problem) => problems.push(problem));
  return problems.map(({ problem }) => problem);
}

describe('readGguf', () => {
  it('reads metadata, arrays, templates and tensor places', () => {
    const bytes = source({
      entries: [
        ggufText('general.architecture', 'llama'),
        ggufU32('llama.block_count', 3),
        ggufTexts('tokenizer.ggml.tokens', ['<s>', 'é', '']),
        ggufText('tokenizer.chat_template', '{{ messages }}'),
        ggufText('tokenizer.chat_template.tool_use', 'tools'),
      ],
      tensors: [
        { name: 'a', dims: [32, 2], type: 2, offset: 0 },
        { name: 'b', dims: [4], offset: 64 },
      ],
      data: new Uint8Array(96),
    });
    const file = readGguf(bytes);
    expect(file.complete).toBe(true);
    expect(file.metadata.get('llama.block_count')?.value).toBe(3);
    const tokens = file.metadata.get('tokenizer.ggml.tokens')?.value;
    if (typeof tokens !== 'object') throw new Error('not an array');
    expect([...ggufStrings(bytes, file.version, tokens)]).toEqual(['<s>', 'é', '']);
    expect(ggufTemplates(file).map(({ key, text }) => [key, text])).toEqual([
      ['tokenizer.chat_template', '{{ messages }}'],
      ['tokenizer.chat_template.tool_use', 'tools'],
    ]);
    const [template] = ggufTemplates(file);
    expect(Buffer.from(bytes.read(template?.byteOffset ?? 0, 4)).toString()).toBe('{{ m');
    expect(
      file.tensors.map(({ ggmlType, byteOffset, byteLength }) => [
        ggmlType,
        byteOffset - file.dataOffset,
        byteLength,
      ]),
    ).toEqual([
      ['Q4_0', 0, 36],
      ['F32', 64, 16],
    ]);
  });

  it('throws the first problem for a loader', () => {
    const spec: GgufSpec = {
      tensors: [{ name: 'a', dims: [1000], offset: 0 }],
      data: new Uint8Array(32),
    };
    expect(() => readGguf(source(spec))).toThrow(ScanError);
    expect(problemsOf(spec)).toEqual(['tensor-bounds']);
  });

  it('keeps gaps and disorder apart from sound padding', () => {
    const tensors = [
      { name: 'a', dims: [1], offset: 0 },
      { name: 'b', dims: [1], offset: 32 },
    ];
    expect(problemsOf({ tensors, data: new Uint8Array(36) })).toEqual([]);
    expect(problemsOf({ tensors, data: new Uint8Array(64) })).toEqual([]);
    expect(problemsOf({ tensors: tensors.toReversed(), data: new Uint8Array(64) })).toContain(
      'overlap',
    );
    expect(
      problemsOf({ tensors: [{ name: 'a', dims: [1], offset: 64 }], data: new Uint8Array(96) }),
    ).toEqual(['gap']);
  });

  it('multiplies dimensions without wrapping, whatever they are', () => {
    const dims = fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(dims, fc.constantFrom(0, 1, 2, 12), (values, type) => {
        const problems: string[] = [];
        const file = readGguf(
          source({ tensors: [{ name: 'a', dims: values, type, offset: 0 }] }),
          ({ problem }) => problems.push(problem),
        );
        const product = values.reduce((a, b) => a * b, 1n);
        if (product > 2n ** 53n) expect(problems.length).toBeGreaterThan(0);
        for (const { byteLength } of file.tensors)
          expect(Number.isSafeInteger(byteLength)).toBe(true);
      }),
    );
  });

  it('refuses other versions and byte orders with the offset', () => {
    const bytes = ggufFile({});
    bytes.writeUInt32BE(3, 4);
    expect(() => readGguf(new MemorySource(bytes, 'x'))).toThrow(/big-endian/);
    bytes.writeUInt32LE(9, 4);
    expect(() => readGguf(new MemorySource(bytes, 'x'))).toThrow(/version 9/);
  });
});
