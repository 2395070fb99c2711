import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemorySource } from '../../../src/artifact/byte-source.ts';
import {
  fieldsOf,
  int64Of,
  repeatedInt64,
  textOf,
  wholeMessage,
} from '../../../src/artifact/protobuf.ts';
import { ScanError } from '../../../src/errors.ts';
import { bytesField, varint, varintField } from '../../cases/protobuf-writer.ts';

const messageFrom = (bytes: Uint8Array) => wholeMessage(new MemorySource(bytes, 'test'));

function codeOf(bytes: Uint8Array): string {
  try {
    for (const _ of fieldsOf(messageFrom(bytes)));
  } catch (error) {
    if (error instanceof ScanError) return error.code;
    throw error;
  }
  return 'read';
}

describe('fieldsOf', () => {
  it('reads back what a writer wrote, signed 64-bit values included', () => {
    const field = fc.oneof(
      fc.record({ number: fc.integer({ min: 1, max: 2 ** 29 - 1 }), value: fc.maxSafeInteger() }),
      fc.record({
        number: fc.integer({ min: 1, max: 2 ** 29 - 1 }),
        value: fc.string({ unit: 'binary' }),
      }),
    );
    fc.assert(
      fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
        const bytes = Buffer.concat(
          fields.map(({ number, value }) =>
            typeof value === 'number' ? varintField(number, value) : bytesField(number, value),
          ),
        );
        const message = messageFrom(bytes);
        const read = [...fieldsOf(message)].map((found) => ({
          number: found.number,
          value: found.wire === 0 ? int64Of(found) : textOf(message, found),
        }));
        expect(read).toEqual(fields);
      }),
    );
  });

  it('reads a packed list and stops at the limit', () => {
    const packed = Buffer.concat([1, -1, 2 ** 40].map((value) => varint(value)));
    const message = messageFrom(bytesField(1, packed));
    const [field] = [...fieldsOf(message)];
    if (field === undefined) throw new Error('no field');
    expect(repeatedInt64(message, field, 10)).toEqual([1, -1, 2 ** 40]);
    expect(repeatedInt64(message, field, 2)).toEqual([1, -1]);
  });

  it('never believes a length', () => {
    expect(codeOf(Buffer.from([0x0a, 0x05, 1]))).toBe('E_TRUNCATED');
    expect(codeOf(Buffer.from([0x0a, ...Array(9).fill(0xff), 1]))).toBe('E_TRUNCATED');
    expect(codeOf(Buffer.from([0x08, ...Array(12).fill(0xff)]))).toBe('E_FORMAT');
    expect(codeOf(Buffer.from([0x0b, 0x0c]))).toBe('E_FORMAT');
    expect(codeOf(Buffer.from([0x00, 0x00]))).toBe('E_FORMAT');
    expect(codeOf(Buffer.from([0x08]))).toBe('E_TRUNCATED');
  });
});
