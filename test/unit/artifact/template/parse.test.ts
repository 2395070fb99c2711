import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unescapeString } from '../../../../src/artifact/template/lexer.ts';
import { parseTemplate } from '../../../../src/artifact/template/parse.ts';
import type { Statement } from '../../../../src/artifact/template/tree.ts';
import { ScanError } from '../../../../src/errors.ts';

function outputs(source: string): unknown[] {
  return parseTemplate(source).body.map((statement: Statement) =>
    statement.kind === 'output' && statement.value.kind === 'string'
      ? statement.value.value
      : statement.kind,
  );
}

describe('parseTemplate', () => {
  it('decodes string escapes as Python does', () => {
    expect(unescapeString('\\137\\x5f\\u005f\\U0000005f\\d')).toBe('____\\d');
    expect(unescapeString('a\\\nb\\N{LOW LINE}')).toBe('ab\ufffd');
    expect(outputs('{{ "\\137" "x" }}')).toEqual(['_x']);
  });

  it('keeps raw blocks as text and comments apart', () => {
    const tree = parseTemplate('{% raw %}{{ x }}{% endraw %}{# hidden #}');
    expect(tree.body[0]).toMatchObject({ value: { kind: 'string', value: '{{ x }}' } });
    expect(tree.comments).toEqual([{ text: ' hidden ', offset: 28 }]);
  });

  it('reads tags that only Python knows', () => {
    const tree = parseTemplate(
      '{% with a = 1, b = x.y %}{% do a.append(2) %}{% endwith %}{% include "p" ignore missing %}',
    );
    expect(tree.body.map((s) => s.kind)).toEqual(['set', 'set', 'output', 'output']);
    expect(tree.loads).toEqual([{ tag: 'include', offset: 58 }]);
  });

  it('keeps the argument of a test', () => {
    const [statement] = parseTemplate('{% if x.content is eq("pay") %}{% endif %}').body;
    expect(statement).toMatchObject({ test: { kind: 'binary', right: { value: 'pay' } } });
  });

  it('places literals where they stand', () => {
    const source = "{% if a %}{{ b.c['dd'] }}{% else %}tail{% endif %}";
    const [statement] = parseTemplate(source).body;
    if (statement?.kind !== 'if') throw new Error('no if');
    const [output] = statement.body;
    expect(output).toMatchObject({ value: { property: { offset: source.indexOf("'dd'") } } });
    expect(statement.otherwise[0]?.offset).toBe(source.indexOf('tail'));
  });

  it.each([
    '{{',
    '{% if x %}',
    '{{ }}',
    `{{ ${'('.repeat(100)} }}`,
    `{{ ${'not '.repeat(3900)}x }}`,
    `{{ ${'- '.repeat(3900)}x }}`,
    `{{ ${'a+'.repeat(1900)}a }}`,
    '{% if a %}'.repeat(100),
    `{% if a %}${'{% elif b %}'.repeat(9000)}{% endif %}`,
    `{{ a${'()'.repeat(1300)} }}`,
    'x'.repeat((1 << 20) + 1),
  ])('refuses %j without a crash', (source) => {
    expect(() => parseTemplate(source)).toThrow(ScanError);
  });

  it('throws nothing but ScanError', () => {
    const piece = fc.constantFrom(
      ...['{{', '}}', '{%', '%}', '{#', '#}', '-', 'if', 'endif', 'for', 'in', 'endfor', 'set'],
      ...['=', 'x', '.', '[', ']', '(', ')', '|', "'a'", '"', '\\', ' ', 'is', 'not', ',', '7'],
      ...['else', 'macro', 'endmacro', 'with', 'endwith', 'raw', 'endraw', '{', '}', ':', '\n'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          parseTemplate(pieces.join(' '));
        } catch (thrown) {
          if (!(thrown instanceof ScanError)) throw thrown;
        }
      }),
      { numRuns: 3000 },
    );
  });
});
