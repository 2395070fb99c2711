import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemorySource } from '../../../../src/artifact/byte-source.ts';
import { visitHdf5 } from '../../../../src/artifact/hdf5/visit.ts';

interface Seen {
  readonly attributes: Map<string, string | undefined>;
  readonly references: string[];
  readonly failed: string[];
  userBlock: number;
}

function visit(bytes: Uint8Array): Seen {
  const source = new MemorySource(bytes, 'test');
  const seen: Seen = { attributes: new Map(), references: [], failed: [], userBlock: 0 };
  visitHdf5(source, {
    check: () => undefined,
    userBlock: (byteLength) => {
      seen.userBlock = byteLength;
    },
    attribute: (path, { name, text }) =>
      void seen.attributes.set(
        `${path}@${name}`,
        text && Buffer.from(source.read(text.offset, text.length)).toString('utf8'),
      ),
    reference: (path, purpose, file) => void seen.references.push(`${path} ${purpose} ${file}`),
    failed: (path, error) => void seen.failed.push(`${path} ${error.message}`),
  });
  return seen;
}

const hostile = (name: string): Buffer => readFileSync(`test/fixtures/frameworks/hostile/${name}`);
const ordinary = (name: string): Buffer =>
  readFileSync(`test/fixtures/frameworks/ordinary/${name}`);

describe('visitHdf5', () => {
  it.each(['earliest', 'latest'])('finds every external link of a group (%s)', (version) => {
    const { references, failed } = visit(hostile(`external-link-${version}.h5`));
    const count = version === 'latest' ? 40 : 2;
    expect(failed).toEqual([]);
    expect(references).toHaveLength(count);
    expect(references).toContain('/weights/layer1 external-link ../../secrets/1.h5');
  });

  it.each(['earliest', 'latest'])('finds external storage of a dataset (%s)', (version) => {
    expect(visit(hostile(`external-storage-${version}.h5`)).references).toEqual([
      '/w external-storage /etc/hostname',
    ]);
  });

  it.each(['earliest', 'latest'])('reads text attributes among many others (%s)', (version) => {
    const { attributes } = visit(hostile(`model-config-${version}.h5`));
    expect(attributes.size).toBe(41);
    expect(attributes.get('/@model_config')).toMatch(/^{"class_name": "Sequential"/);
    expect(attributes.get('/@extra7')).toBeUndefined();
  });

  it('reads what Keras writes', () => {
    const { attributes, failed } = visit(ordinary('functional.h5'));
    expect(failed).toEqual([]);
    expect(JSON.parse(attributes.get('/@model_config') ?? '')).toHaveProperty(
      'class_name',
      'Functional',
    );
    expect(attributes.get('/@backend')).toBe('tensorflow');
  });

  it('finds the superblock after a user block', () => {
    const { userBlock, attributes } = visit(
      Buffer.concat([Buffer.alloc(1024), ordinary('sequential.h5')]),
    );
    expect(userBlock).toBe(1024);
    expect(attributes.get('/@model_config')).toContain('Sequential');
  });

  it('ends on a group that contains itself', () => {
    const bytes = Buffer.from(ordinary('sequential.h5'));
    // Every hard link in the first symbol node now leads to the root.
    const root = bytes.readBigUInt64LE(64);
    const node = bytes.indexOf('SNOD');
    for (let at = node + 8; at + 40 <= node + 8 + 40 * bytes.readUInt16LE(node + 6); at += 40) {
      bytes.writeBigUInt64LE(root, at + 8);
    }
    expect(visit(bytes).failed).toEqual([]);
  });
});
