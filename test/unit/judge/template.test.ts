import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTemplate, quote, shorten } from '../../../src/judge/template.ts';

const fill = (text: string, values: unknown) => compileTemplate(text, 'rule.yaml:1')(values);

describe('templates', () => {
  it.each([
    ['{a.b}', { a: { b: 'x' } }, 'x'],
    ['{a|quote}', { a: 'x\n"y"\u202e' }, '"x\\n\\"y\\"\\u202e"'],
    ['{a|percent}', { a: 0.9583 }, '95.8 %'],
    ['{a|percent}', { a: 1 }, '100 %'],
    ['{a|bytes}', { a: 1536 }, '1.5 KiB'],
    ['{a|number}', { a: 14.52345 }, '14.52'],
    ['{a|number}', { a: 0.0000123 }, '1.23e-5'],
    ['{a|hex}', { a: 255 }, '0xff'],
    ['{a|list}', { a: ['x', 'y'] }, 'x, y'],
    ['{a|quote}', { a: ['1', '2', '3', '4', '5', '6', '7'] }, '"1", "2", "3", "4", "5" and 2 more'],
    ['{a|count}', { a: [1, 2] }, '2'],
    ['{a}', {}, '(absent)'],
    ['{a.constructor}', { a: {} }, '(absent)'],
    ['{{x}}', {}, '{x}'],
  ])('%s', (text, values, expected) => {
    expect(fill(text, values)).toBe(expected);
  });

  it('never leaves a control or direction character in a quoted string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(quote(text)).not.toMatch(
          /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/,
        );
      }),
    );
  });

  it('shortens without splitting a character', () => {
    expect(shorten('😀'.repeat(300), 201)).not.toMatch(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])/);
  });
});
