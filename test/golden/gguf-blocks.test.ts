/** Block types of ggml against the reference in the PyPI package gguf; made by make_gguf_blocks.py. */
import { describe, expect, it } from 'vitest';
import { FileSource } from '../../src/artifact/byte-source.ts';
import { readSafetensorsHeader } from '../../src/artifact/safetensors.ts';
import { decodedGgmlTypes, ggmlValues } from '../../src/artifact/values/ggml.ts';
import { pieces, readAll, readScalars } from '../../src/artifact/values/tensor-values.ts';

const FILE = 'test/fixtures/gguf/blocks.safetensors';
using source = new FileSource(FILE);
const stored = new Map(readSafetensorsHeader(source).tensors.map((entry) => [entry.name, entry]));
const types = [...stored.keys()].filter((n) => n.endsWith('.bytes')).map((n) => n.slice(0, -6));

describe('ggml blocks', () => {
  it('covers every block type but the one that files never hold', () => {
    const scalars = ['F32', 'F16', 'BF16', 'F64'];
    const decoded = decodedGgmlTypes().filter((type) => !scalars.includes(type));
    expect(types.toSorted()).toEqual(decoded.filter((type) => type !== 'Q8_K').toSorted());
  });

  it.each(types)('%s equals the reference', (type) => {
    using source = new FileSource(FILE);
    const bytes = stored.get(`${type}.bytes`);
    const expected = stored.get(`${type}.values`);
    if (bytes === undefined || expected === undefined) throw new Error('fixture');
    const count = expected.shape[0] ?? 0;
    const tensor = { ...bytes, ggmlType: type, typeId: 0, dims: [count] };
    const values = ggmlValues(source, tensor, FILE);
    if (values === undefined) throw new Error(`${type} is not decoded`);
    const reference = readScalars(source, expected, 0, count);
    const all = readAll(values);
    let worst = 0;
    for (const [i, value] of reference.entries()) {
      worst = Math.max(worst, Math.abs(value - (all[i] as number)) / (Math.abs(value) + 1e-3));
    }
    expect(worst).toBeLessThan(1e-5);
    // In small pieces the same numbers come out.
    const joined = [...pieces(values, values.granularity)].flatMap(({ data }) => [...data]);
    expect(joined).toEqual([...all]);
  });
});
