import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isJsonObject, lineAt, readJson } from '../../../src/artifact/json.ts';
import { ScanError } from '../../../src/errors.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function codeOf(text: string | Uint8Array, options = {}): string {
  try {
    readJson(typeof text === 'string' ? encode(text) : text, options);
  } catch (error) {
    if (error instanceof ScanError) return error.code;
    throw error;
  }
  return 'read';
}

describe('readJson', () => {
  it('agrees with JSON.parse on every value that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.boolean(), (value, indent) => {
        const text = JSON.stringify(value, null, indent ? 2 : 0);
        const read = readJson(encode(text));
        expect(JSON.parse(JSON.stringify(read.value))).toEqual(JSON.parse(text));
        expect(read.duplicateCount).toBe(0);
      }),
    );
  });

  it('accepts and refuses exactly what JSON.parse does on near-JSON text', () => {
    const piece = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"a"',
        '1',
        '-',
        '0',
        '.5',
        'e+1',
        'true',
        'nul',
        ' ',
        '"\\u00e9"',
        '"\\x"',
        '\t',
      ],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        expect(codeOf(text) === 'read').toBe(valid);
      }),
      { numRuns: 2000 },
    );
  });

  it('reports duplicate keys with pointer, offset and the hidden value; the last one wins', () => {
    const document = readJson(encode('{"a":{"b/c":1,"b/c":2}}'));
    expect(document.duplicates).toEqual([
      { pointer: '/a/b~1c', key: 'b/c', byteOffset: 14, hidden: 1 },
    ]);
    const outer = document.value;
    expect(isJsonObject(outer) && JSON.stringify(outer)).toBe('{"a":{"b/c":2}}');
  });

  it('counts all duplicates but lists a bounded number', () => {
    const document = readJson(encode(`{${Array(5000).fill('"k":0').join(',')}}`));
    expect(document.duplicateCount).toBe(4999);
    expect(document.duplicates).toHaveLength(1000);
  });

  it('treats __proto__ and constructor as ordinary keys', () => {
    const { value, duplicateCount } = readJson(encode('{"__proto__":{"x":1},"constructor":2}'));
    expect(duplicateCount).toBe(0);
    expect(isJsonObject(value) && Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });

  it('knows where values stand', () => {
    const bytes = encode('{\n "a": [10,\n 20]}');
    const document = readJson(bytes);
    const object = document.value;
    if (!isJsonObject(object) || !Array.isArray(object['a'])) throw new Error('not an object');
    expect(document.offsetOf(object, 'a')).toBe(8);
    expect(document.offsetOf(object['a'], 1)).toBe(14);
    expect(lineAt(bytes, 14)).toBe(3);
  });

  it('refuses depth, token and size floods without exhausting the stack', () => {
    expect(codeOf('['.repeat(1_000_000))).toBe('E_LIMIT');
    expect(codeOf(`[${'1,'.repeat(100)}1]`, { maxTokens: 50 })).toBe('E_LIMIT');
    expect(codeOf('[1,2,3]', { maxBytes: 3 })).toBe('E_LIMIT');
  });

  it('refuses bad UTF-8, control characters, trailing text and non-finite numbers', () => {
    expect(codeOf(new Uint8Array([0x22, 0xc3, 0x28, 0x22]))).toBe('E_FORMAT');
    expect(codeOf('"a\u0001"')).toBe('E_FORMAT');
    expect(codeOf('{} x')).toBe('E_FORMAT');
    expect(codeOf('{} x', { allowTrailing: true })).toBe('read');
    expect(codeOf('[NaN]')).toBe('E_FORMAT');
    expect(codeOf('[NaN, -Infinity, Infinity]', { allowNonFinite: true })).toBe('read');
  });
});
