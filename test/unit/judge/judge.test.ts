import { describe, expect, it } from 'vitest';
import { resultOf, target } from '../report/samples.ts';

const done = [{ stage: 'files', status: 'done' as const }];

describe('judge', () => {
  it('calls a scan incomplete when a file could not be read to its end', () => {
    const result = resultOf([
      target({
        stages: done,
        evidence: [
          {
            kind: 'malformed-file',
            path: 'm/a.zip',
            location: { member: 'x.pkl', byteOffset: 3 },
            format: 'pickle',
            code: 'E_TRUNCATED',
            problem: 'ends in an opcode',
          },
        ],
      }),
    ]);
    expect(result).toMatchObject({ verdict: 'incomplete', exitCode: 4 });
    expect(result.targets[0]?.coverage.notCovered).toEqual([
      { what: 'm/a.zip!/x.pkl', why: 'E_TRUNCATED: ends in an opcode' },
    ]);
  });

  it('calls a scan incomplete when a model file is of no known format', () => {
    const mismatch = (actual: string) => ({
      kind: 'format-mismatch' as const,
      path: 'm/model.safetensors',
      extension: 'safetensors',
      expected: ['safetensors'],
      actual,
    });
    expect(resultOf([target({ stages: done, evidence: [mismatch('unknown')] })]).exitCode).toBe(4);
    expect(resultOf([target({ stages: done, evidence: [mismatch('pickle')] })]).verdict).toBe(
      'fail',
    );
  });

  it('tells an error once that two stages met', () => {
    const error = { code: 'E_TENSOR_BOUNDS', message: 'x', file: 'm/a', byteOffset: 8 } as const;
    const other = { ...error, byteOffset: 9 };
    const result = resultOf([target({ errors: [error, { ...error }, other] })]);
    expect(result.targets[0]?.errors).toEqual([error, other]);
  });

  it('lists every gap once, sorted', () => {
    const gap = { what: 'b', why: 'E_IO: x' };
    const result = resultOf([target({ notCovered: [gap, { what: 'a', why: 'y' }, gap] })]);
    expect(result.targets[0]?.coverage.notCovered).toEqual([{ what: 'a', why: 'y' }, gap]);
  });
});
