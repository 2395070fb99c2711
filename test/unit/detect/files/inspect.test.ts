import { describe, expect, it } from 'vitest';
import { MemorySource, MissingRange } from '../../../../src/artifact/byte-source.ts';
import type { FileDetector } from '../../../../src/detect/files/detector.ts';
import { inspect } from '../../../../src/detect/files/inspect.ts';
import { ScanError } from '../../../../src/errors.ts';

const source = new MemorySource(Buffer.from('hello'), 'a.txt');
const list = (): ReadonlySet<string> => new Set();

function detector(inspectIt: FileDetector['inspect']): FileDetector {
  return { name: 'test', accepts: () => true, inspect: inspectIt };
}

describe('inspect', () => {
  it('keeps what was reported before a reader fails', () => {
    const failing = detector((subject, report) => {
      report.evidence({ kind: 'polyglot-file', path: subject.path, first: 'a', second: 'b' });
      throw new ScanError('E_FORMAT', 'broken', { byteOffset: 3 });
    });
    const { evidence } = inspect(source, 'm/a.txt', { list, detectors: [failing] });
    expect(evidence.map(({ kind }) => kind)).toEqual(['polyglot-file', 'malformed-file']);
    expect(evidence[1]?.location).toEqual({ byteOffset: 3 });
  });

  it('turns a defect into a gap in the coverage and goes on', () => {
    let ran = false;
    const defect = detector(() => {
      throw new TypeError('oops');
    });
    const next = detector(() => {
      ran = true;
    });
    const { evidence, notCovered } = inspect(source, 'a', { list, detectors: [defect, next] });
    expect(evidence).toEqual([]);
    expect(notCovered).toEqual([{ what: 'a', why: 'E_INTERNAL: oops' }]);
    expect(ran).toBe(true);
  });

  it('lets a missing range through for a remote driver', () => {
    const remote = detector(() => {
      throw new MissingRange(0, 4);
    });
    expect(() => inspect(source, 'a', { list, detectors: [remote] })).toThrow(MissingRange);
  });

  it('stops at the nesting limit and says so', () => {
    const nesting = detector((subject, report) => report.nested('in', subject.source));
    const { notCovered } = inspect(source, 'a', {
      list,
      detectors: [nesting],
      limits: { maxDepth: 2 },
    });
    expect(notCovered).toEqual([
      { what: 'a!/in!/in!/in', why: 'E_LIMIT: archives are nested deeper than 2' },
    ]);
  });

  it('stops when decompression has produced too much', () => {
    const spender = detector((subject) => subject.budget.spend(100));
    const { notCovered } = inspect(source, 'a', {
      list,
      detectors: [spender],
      limits: { maxProducedBytes: 10 },
    });
    expect(notCovered[0]?.why).toMatch(/^E_LIMIT/);
  });
});
