import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FileSource } from '../../../src/artifact/byte-source.ts';
import { readSafetensorsHeader } from '../../../src/artifact/safetensors.ts';
import { type TensorToWrite, writeSafetensors } from '../../../src/artifact/safetensors-writer.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-writer-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const tensor = fc
  .tuple(fc.string({ minLength: 1 }), fc.array(fc.nat(4), { maxLength: 3 }), fc.integer())
  .filter(([name]) => name !== '__metadata__')
  .map(([name, shape, seed]): TensorToWrite => {
    const count = shape.reduce((product, n) => product * n, 1);
    return { name, shape, data: Float32Array.from({ length: count }, (_, i) => (seed % 1000) + i) };
  });

test('what is written is read back, whatever the order of the tensors', () => {
  const path = join(folder, 'a.safetensors');
  fc.assert(
    fc.property(
      fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 }),
      (tensors) => {
        writeSafetensors(path, tensors, { made: 'here' });
        const bytes = readFileSync(path);
        using source = new FileSource(path);
        const { tensors: entries, metadata, dataOffset } = readSafetensorsHeader(source);
        expect(metadata).toEqual({ made: 'here' });
        expect(dataOffset % 8).toBe(0);
        expect(entries.map(({ name }) => name).sort()).toEqual(
          tensors.map(({ name }) => name).sort(),
        );
        for (const { name, shape, data } of tensors) {
          const entry = entries.find((candidate) => candidate.name === name);
          expect(entry?.shape).toEqual(shape);
          const start = entry?.byteOffset ?? 0;
          const slice = Uint8Array.from(bytes.subarray(start, start + (entry?.byteLength ?? 0)));
          expect(new Float32Array(slice.buffer)).toEqual(data);
        }
        writeSafetensors(path, [...tensors].reverse(), { made: 'here' });
        expect(readFileSync(path).equals(bytes)).toBe(true);
      },
    ),
    { numRuns: 50, examples: [[[{ name: '__proto__', shape: [1], data: Float32Array.of(1) }]]] },
  );
});

test('refuses a name given twice and a shape that does not fit', () => {
  const path = join(folder, 'b.safetensors');
  const one = { name: 'x', shape: [1], data: Float32Array.of(1) };
  expect(() => writeSafetensors(path, [one, one])).toThrow('cannot be written');
  expect(() => writeSafetensors(path, [{ ...one, shape: [2] }])).toThrow('do not fill');
});
