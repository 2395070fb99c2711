import { posix, win32 } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeReference } from '../../../src/artifact/reference-path.ts';

describe('judgeReference', () => {
  it.each([
    ['weights.bin', 'inside'],
    ['./a/b c.data', 'inside'],
    ['..weights', 'inside'],
    ['a/../../b', 'climbing'],
    ['a\\..\\..\\b', 'climbing'],
    ['/etc/passwd', 'absolute'],
    ['\\\\host\\share', 'absolute'],
    ['C:x', 'absolute'],
    ['~/x', 'absolute'],
    ['s3://bucket/x', 'url'],
    ['', 'odd'],
    ['./', 'odd'],
    ['a\0b', 'odd'],
  ])('%j is %s', (target, problem) => {
    expect(judgeReference(target)).toBe(problem);
  });

  it('calls nothing inside that either system would resolve outside', () => {
    const part = fc.constantFrom('..', '.', 'a', 'b.bin', '', 'c:', '~');
    const text = fc.tuple(fc.array(part, { maxLength: 6 }), fc.constantFrom('/', '\\'));
    fc.assert(
      fc.property(text, ([parts, separator]) => {
        const target = parts.join(separator);
        if (judgeReference(target) !== 'inside') return;
        expect(posix.resolve('/m/d', target).startsWith('/m/d/')).toBe(true);
        expect(win32.resolve('C:\\m\\d', target).startsWith('C:\\m\\d\\')).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});
