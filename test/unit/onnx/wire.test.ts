/** What the writer writes, the project's own bounded reader reads back. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MemorySource } from '../../../src/artifact/byte-source.ts';
import { fieldsOf, wholeMessage } from '../../../src/artifact/protobuf.ts';
import { WireWriter } from '../../../src/onnx/wire.ts';

const fieldsIn = (bytes: Uint8Array) => [
  ...fieldsOf(wholeMessage(new MemorySource(bytes, 'written'))),
];

it('round-trips 64-bit numbers, negative ones too', () => {
  const number = fc.tuple(
    fc.integer({ min: 1, max: 2 ** 20 }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );
  fc.assert(
    fc.property(fc.array(number, { maxLength: 40 }), (numbers) => {
      const writer = new WireWriter();
      for (const [field, value] of numbers) writer.varint(field, value);
      const read = fieldsIn(writer.finish()).map((field) => [
        field.number,
        BigInt.asIntN(64, (BigInt(field.high) << 32n) | BigInt(field.low)),
      ]);
      expect(read).toEqual(numbers);
    }),
  );
});

it('writes the bytes of the published examples', () => {
  // protobuf.dev "Encoding": 150 in field 1, "testing" in field 2, and both nested in field 3.
  const hex = (writer: WireWriter) => Buffer.from(writer.finish()).toString('hex');
  expect(hex(new WireWriter().varint(1, 150))).toBe('089601');
  expect(hex(new WireWriter().string(2, 'testing'))).toBe('120774657374696e67');
  expect(hex(new WireWriter().message(3, (inner) => inner.varint(1, 150)))).toBe('1a03089601');
  expect(hex(new WireWriter().varint(1, -2))).toBe('08feffffffffffffffff01');
  expect(hex(new WireWriter().float(1, 1))).toBe('0d0000803f');
});

it('round-trips bytes, text and nested messages past its first buffer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.string(), fc.nat(6), (data, text, depth) => {
      const write = (writer: WireWriter, level: number): void => {
        writer.bytes(1, data).string(2, text);
        if (level > 0) writer.message(3, (inner) => write(inner, level - 1));
      };
      const writer = new WireWriter();
      write(writer, depth);
      let bytes = writer.finish();
      for (let level = depth; level >= 0; level--) {
        const [first, second, third] = fieldsIn(bytes).map(({ offset, length }) =>
          bytes.subarray(offset, offset + length),
        );
        expect(first).toEqual(data);
        expect(second).toEqual(new TextEncoder().encode(text));
        bytes = third ?? new Uint8Array(0);
      }
      expect(bytes).toHaveLength(0);
    }),
    { numRuns: 50 },
  );
});
