import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { pieces, readAll } from '../../../../src/artifact/values/tensor-values.ts';
import { ScanError } from '../../../../src/errors.ts';
import { openTorch } from '../../../../src/model/weights/torch-weights.ts';
import { openStored } from '../../../../src/model/weights.ts';

const FIXTURES = 'test/fixtures/torch/';
const folder = mkdtempSync(join(tmpdir(), 'narrowfire-torch-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each(['ordered.bin', 'nested.pt', 'legacy.bin'])(
  '%s gives the numbers that PyTorch saved',
  (name) => {
    using ours = openStored(FIXTURES + name);
    using expected = openStored(`${FIXTURES}expected.safetensors`);
    expect([...ours.tensors.keys()].toSorted()).toEqual([...expected.tensors.keys()].toSorted());
    for (const [key, { values, shape, located }] of expected.tensors) {
      const found = ours.tensors.get(key);
      if (key === 'step') {
        expect(found?.unread).toContain('strides [6,2]');
        continue;
      }
      expect(found?.shape, key).toEqual(shape);
      if (values === undefined) expect(found?.located?.dtype, key).toBe(located?.dtype);
      else if (found?.values !== undefined)
        expect(readAll(found.values), key).toEqual(readAll(values));
      else expect.fail(`${key} has no values`);
    }
  },
);

it('leaves float32 where it is, inside the zip file', () => {
  using ours = openStored(`${FIXTURES}ordered.bin`);
  const located = ours.tensors.get('view')?.located;
  const bytes = readFileSync(`${FIXTURES}ordered.bin`);
  expect(bytes.readFloatLE(located?.byteOffset ?? 0)).toBe(8);
});

it('refuses an old file that is cut short, at any length', () => {
  const whole = readFileSync(`${FIXTURES}legacy.bin`);
  const file = join(folder, 'cut.bin');
  for (let length = 16; length < whole.length; length += 7) {
    writeFileSync(file, whole.subarray(0, length));
    expect(() => openTorch([file]), `${length}`).toThrow(ScanError);
  }
});

it('refuses an old file whose storage claims more than there is', () => {
  const bytes = readFileSync(`${FIXTURES}legacy.bin`);
  using whole = openTorch([`${FIXTURES}legacy.bin`]);
  const first = Math.min(
    ...[...whole.tensors.values()].map(({ located }) => located?.byteOffset ?? Infinity),
  );
  for (const count of [2n ** 63n, 2n ** 40n, 10_000n]) {
    const changed = Buffer.from(bytes);
    changed.writeBigUInt64LE(count, first - 8);
    const file = join(folder, 'claims.bin');
    writeFileSync(file, changed);
    expect(() => openTorch([file])).toThrow(
      expect.objectContaining({ code: 'E_TRUNCATED', byteOffset: first - 8 }),
    );
  }
});

it.each(['ordered.bin', 'legacy.bin'])('%s: gives an error or tensors for any bytes', (name) => {
  const whole = readFileSync(FIXTURES + name);
  const file = join(folder, 'changed.bin');
  const change = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      writeFileSync(file, bytes);
      try {
        using stored = openTorch([file]);
        for (const { values } of stored.tensors.values()) {
          if (values !== undefined) for (const _ of pieces(values));
        }
      } catch (error) {
        if (!(error instanceof ScanError) || error.code === 'E_INTERNAL') throw error;
      }
    }),
    { numRuns: 300 },
  );
});
