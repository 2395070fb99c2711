import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemorySource } from '../../../../src/artifact/byte-source.ts';
import { parsePythonLiteral } from '../../../../src/artifact/numpy/literal.ts';
import { readNpyHeader } from '../../../../src/artifact/numpy/npy.ts';
import { npyFile, npyHeader } from '../../../cases/formats/objects.ts';

const read = (bytes: Uint8Array) => readNpyHeader(new MemorySource(bytes, 'x'));

describe('parsePythonLiteral', () => {
  it('reads nested literals', () => {
    expect(parsePythonLiteral("{'a': (1, -2L, [True, None]), 'b': \"x\", }")).toEqual({
      entries: [
        ['a', [1, -2, [true, null]]],
        ['b', 'x'],
      ],
    });
  });

  it.each(['f()', '{"a": x}', '1 + 1', '(1', '{1}', "'a", '__import__("os")'])(
    'refuses %s',
    (text) => {
      expect(() => parsePythonLiteral(text)).toThrow(/literal|name|comma|colon/);
    },
  );

  it('refuses depth before the stack ends', () => {
    expect(() => parsePythonLiteral('['.repeat(100_000))).toThrow(/deeper/);
  });
});

describe('readNpyHeader', () => {
  it('reads what numpy writes', () => {
    const folder = 'test/fixtures/frameworks/ordinary';
    expect(read(readFileSync(`${folder}/plain.npy`))).toMatchObject({
      shape: [2, 3],
      itemBytes: 4,
      holdsObjects: false,
    });
    expect(read(readFileSync(`${folder}/structured.npy`))).toMatchObject({
      shape: [3],
      itemBytes: 20,
    });
    expect(read(readFileSync(`${folder}/empty.npy`))).toMatchObject({ shape: [0, 4] });
  });

  it('sees objects in plain, nested and structured types', () => {
    expect(read(npyFile(npyHeader("'|O'", '(1,)'), Buffer.from('pickle')))).toMatchObject({
      holdsObjects: true,
    });
    const nested = "[('a', '<i4'), ('b', [('c', '|O8')])]";
    expect(read(npyFile(npyHeader(nested, '(1,)'), Buffer.from('pickle')))).toMatchObject({
      holdsObjects: true,
    });
  });

  it('believes the archive about the length of an array whose end was not decoded', () => {
    const whole = npyFile(npyHeader("'<f4'", '(9,)'), Buffer.alloc(36));
    const head = new MemorySource(whole.subarray(0, 140), 'x');
    expect(() => readNpyHeader(head)).toThrow(/needs 36 bytes/);
    expect(readNpyHeader(head, undefined, whole.byteLength).shape).toEqual([9]);
  });

  it('throws for a loader what it lists for the file stage', () => {
    expect(() => read(npyFile(npyHeader("'<f4'", '(9,)'), Buffer.alloc(4)))).toThrow(
      /needs 36 bytes, 4 follow/,
    );
  });
});
