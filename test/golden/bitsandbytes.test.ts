/** Weights packed by bitsandbytes 0.50.2 come out as it unpacks them; made by make_bitsandbytes.py. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readAll } from '../../src/artifact/values/tensor-values.ts';
import { openStored } from '../../src/model/weights.ts';

const FOLDER = 'test/fixtures/bitsandbytes';

it.each(readdirSync(FOLDER))('%s', (name) => {
  using stored = openStored(join(FOLDER, name));
  const values = stored.tensors.get('m.weight')?.values;
  const expected = stored.tensors.get('expected')?.values;
  if (values === undefined || expected === undefined) throw new Error('not unpacked');
  expect(values.storage).toBe(`bnb-${name.replace(/(-nested)?\.safetensors/, '')}`);
  expect(values.shape).toEqual(expected.shape);
  const ours = readAll(values);
  const worst = readAll(expected).reduce(
    (max, value, i) => Math.max(max, Math.abs(value - (ours[i] ?? 9))),
    0,
  );
  expect(worst).toBeLessThan(2e-6);
});
