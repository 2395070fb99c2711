import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemorySource } from '../../../src/artifact/byte-source.ts';
import { type ByteStream, Input } from '../../../src/artifact/compression/byte-stream.ts';
import { bzip2Stream } from '../../../src/artifact/compression/bzip2.ts';
import { expand } from '../../../src/artifact/compression/expand.ts';
import { InflateStream } from '../../../src/artifact/compression/inflate.ts';
import { lz4Stream } from '../../../src/artifact/compression/lz4.ts';
import { lzmaAloneStream } from '../../../src/artifact/compression/lzma.ts';
import { xzStream } from '../../../src/artifact/compression/xz.ts';
import { zstdStream } from '../../../src/artifact/compression/zstd.ts';
import { ScanError } from '../../../src/errors.ts';

const FIXTURES = 'test/fixtures/compression';
const limits = { spend: () => undefined };

function input(bytes: Uint8Array): Input {
  return new Input(new MemorySource(bytes, 'test'));
}

function all(open: () => ByteStream): { bytes: Buffer; error: ScanError | undefined } {
  const { source, error } = expand(open, 'test', limits);
  return { bytes: Buffer.from(source.read(0, source.size)), error };
}

/** Text with repeats and noise: every kind of match and literal. */
function sample(): Buffer {
  const words = Array.from(
    { length: 4000 },
    (_, i) => `weight ${(i * 7919) % 613} layer ${i % 12}`,
  );
  return Buffer.from(words.join('\n'));
}

describe('inflate', () => {
  it('agrees with zlib on any bytes, at every level and wrapping', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 5000 }),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(0, 1, 6, 9),
        (seed, repeats, level) => {
          const plain = Buffer.concat(Array.from({ length: repeats }, () => seed));
          const raw = deflateRawSync(plain, { level });
          expect(all(() => new InflateStream(input(raw), 'raw')).bytes).toEqual(plain);
          const zlib = deflateSync(plain, { level });
          expect(all(() => new InflateStream(input(zlib), 'zlib')).bytes).toEqual(plain);
          const gzip = gzipSync(plain, { level });
          expect(all(() => new InflateStream(input(gzip), 'gzip')).bytes).toEqual(plain);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('reads every member of a gzip file and stops at foreign bytes', () => {
    const file = Buffer.concat([gzipSync('one '), gzipSync('two'), Buffer.from('tail')]);
    expect(all(() => new InflateStream(input(file), 'gzip')).bytes.toString()).toBe('one two');
  });

  it('gives everything before a broken place, then the error', () => {
    const plain = randomBytes(300_000);
    const broken = deflateRawSync(plain, { level: 0 }).subarray(0, 200_000);
    const { bytes, error } = all(() => new InflateStream(input(broken), 'raw'));
    expect(error?.code).toBe('E_TRUNCATED');
    expect(bytes.byteLength).toBeGreaterThan(199_000);
    expect(bytes.equals(plain.subarray(0, bytes.byteLength))).toBe(true);
  });

  it('gives huge results through a window, forwards and backwards', () => {
    const plain = Buffer.alloc(40 * 2 ** 20);
    for (let i = 0; i < plain.byteLength; i += 4096) plain.writeUInt32LE(i, i);
    const packed = deflateRawSync(plain);
    const { source } = expand(() => new InflateStream(input(packed), 'raw'), 'big', limits);
    expect(source.size).toBe(plain.byteLength);
    for (const offset of [0, 39 * 2 ** 20, 4096, 20 * 2 ** 20 + 3, 12]) {
      expect(Buffer.from(source.read(offset, 100_000))).toEqual(
        plain.subarray(offset, offset + 100_000),
      );
    }
  });
});

describe('the other decoders', () => {
  const decoders: Record<string, (from: Input) => ByteStream> = {
    bz2: bzip2Stream,
    xz: xzStream,
    lzma: lzmaAloneStream,
    lz4: lz4Stream,
    zst: zstdStream,
  };

  it.each(Object.keys(decoders))('reads %s as Python wrote it', (name) => {
    const file = readFileSync(`${FIXTURES}/sample.${name}`);
    const open = () => (decoders[name] as (from: Input) => ByteStream)(input(file));
    const { bytes, error } = all(open);
    expect(error).toBeUndefined();
    expect(bytes.equals(sample())).toBe(true);
  });

  it.each(Object.keys(decoders))('never crashes on broken %s', (name) => {
    const file = readFileSync(`${FIXTURES}/sample.${name}`);
    const open = decoders[name] as (from: Input) => ByteStream;
    fc.assert(
      fc.property(
        fc.nat(file.byteLength - 1),
        fc.nat(255),
        fc.nat(file.byteLength),
        (at, value, end) => {
          const broken = Buffer.from(file.subarray(0, Math.max(1, end)));
          if (at < broken.byteLength) broken[at] = value;
          try {
            expand(() => open(input(broken)), 'test', limits);
          } catch (error) {
            if (!(error instanceof ScanError)) throw error;
            expect(error.code).not.toBe('E_INTERNAL');
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
