/** What the reader does with files that break the format: thrown for a loader, listed for the file stage. */
import { describe, expect, it } from 'vitest';
import { MemorySource } from '../../../src/artifact/byte-source.ts';
import type { FormatProblem } from '../../../src/artifact/problem.ts';
import { readSafetensorsHeader } from '../../../src/artifact/safetensors.ts';
import { ScanError } from '../../../src/errors.ts';
import { entry, safetensorsFile } from '../../cases/formats/safetensors.ts';

function problemsOf(bytes: Uint8Array): FormatProblem[] {
  const problems: FormatProblem[] = [];
  readSafetensorsHeader(new MemorySource(bytes, 'x'), {
    sink: (problem) => problems.push(problem),
  });
  return problems;
}

describe('readSafetensorsHeader on broken files', () => {
  it('tells where hidden bytes lie', () => {
    const bytes = safetensorsFile({ a: entry([1], 4, 8) }, new Uint8Array(12));
    const [gap, tail] = problemsOf(bytes);
    expect([gap?.problem, gap?.byteOffset, gap?.byteLength]).toEqual(['gap', bytes.length - 12, 4]);
    expect([tail?.problem, tail?.byteOffset, tail?.byteLength]).toEqual([
      'trailing-bytes',
      bytes.length - 4,
      4,
    ]);
  });

  it('gives the same first problem to a loader, as an error', () => {
    const bytes = safetensorsFile({ a: entry([1], 4, 8) }, new Uint8Array(8));
    expect(() => readSafetensorsHeader(new MemorySource(bytes, 'x'))).toThrow(ScanError);
  });

  it('calls the bytes before a cut a part of the tensor that was cut', () => {
    const bytes = safetensorsFile({ a: entry([1], 0, 4), b: entry([4], 4, 20) }, new Uint8Array(9));
    expect(problemsOf(bytes).map(({ problem }) => problem)).toEqual(['tensor-bounds']);
  });

  it('allows empty tensors anywhere, twelve of them at one offset', () => {
    const empty = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`e${i}`, entry([0, 3], 4, 4)]),
    );
    expect(
      problemsOf(safetensorsFile({ a: entry([2], 0, 8), ...empty }, new Uint8Array(8))),
    ).toEqual([]);
  });

  it.each([
    [{ a: 3 }, 'entry-shape'],
    [{ a: { ...entry([1], 0, 4), extra: 1 } }, 'entry-shape'],
    [{ a: { shape: [1], data_offsets: [0, 4], other: 'F32' } }, 'unknown-dtype'],
    [{ a: entry([1], 4, 0) }, 'tensor-bounds'],
    [{ a: entry([-1], 0, 4) }, 'entry-shape'],
    [{ a: entry([1.5], 0, 4) }, 'entry-shape'],
    [{ a: entry([2 ** 30, 2 ** 30], 0, 4) }, 'shape-overflow'],
    [{ __metadata__: { a: 1 }, a: entry([1], 0, 4) }, 'metadata-type'],
  ])('%j is %s', (header, problem) => {
    expect(
      problemsOf(safetensorsFile(header, new Uint8Array(4))).map((item) => item.problem),
    ).toContain(problem);
  });
});
