/** Files that are one compressed stream: gzip, zlib, bzip2, xz, lzma, zstd, lz4, as joblib and tools write them. */
import { SliceSource } from '../../../artifact/byte-source.ts';
import { type ByteStream, Input } from '../../../artifact/compression/byte-stream.ts';
import { bzip2Stream } from '../../../artifact/compression/bzip2.ts';
import { InflateStream } from '../../../artifact/compression/inflate.ts';
import { lz4Stream } from '../../../artifact/compression/lz4.ts';
import { lzmaAloneStream } from '../../../artifact/compression/lzma.ts';
import { xzStream } from '../../../artifact/compression/xz.ts';
import { zstdStream } from '../../../artifact/compression/zstd.ts';
import type { FileDetector } from '../detector.ts';
import { FactSheet } from './archive-detector.ts';
import { unpack } from './unpack.ts';

const DECODERS: Readonly<Record<string, (input: Input) => ByteStream>> = {
  gzip: (input) => new InflateStream(input, 'gzip'),
  zlib: (input) => new InflateStream(input, 'zlib'),
  bzip2: bzip2Stream,
  xz: xzStream,
  lzma: lzmaAloneStream,
  zstd: zstdStream,
  lz4: lz4Stream,
};

/** Two bytes that any data may start with: a failure proves that it was something else. */
const WEAK_FORMATS = new Set(['zlib', 'lzma']);
const COMPRESSED_EXTENSION = /\.(gz|gzip|bz2|xz|lzma|zst|zstd|lz4|z|zlib)$/i;

export const compressedDetector: FileDetector = {
  name: 'compressed',
  accepts: ({ format }) => Object.hasOwn(DECODERS, format),
  inspect(subject, report) {
    const { source, format } = subject;
    const decoder = DECODERS[format];
    if (decoder === undefined) return;
    let input = new Input(source);
    let first: Input | undefined;
    const open = (): ByteStream => {
      input = new Input(source);
      first ??= input;
      return decoder(input);
    };
    const { source: content, error, bomb } = unpack(source, open, 0, subject);
    if (WEAK_FORMATS.has(format) && error !== undefined && content.size < 64) return;
    const facts = new FactSheet(subject);
    if (bomb !== undefined) {
      const detail = `${source.size} bytes give more than ${bomb.producedBytes}`;
      facts.add({ problem: 'bomb', name: '', detail, byteOffset: 0 });
      report.notCovered({ what: subject.path, why: 'E_LIMIT: the rest of a decompression bomb' });
    }
    const base = (subject.member ?? subject.path).split('/').at(-1) as string;
    report.nested(base.replace(COMPRESSED_EXTENSION, ''), content);
    const end = first?.offset ?? source.size;
    if (error === undefined && end < source.size) {
      const rest = new SliceSource(source, end, source.size - end, 'rest');
      if (rest.read(0, Math.min(4096, rest.size)).some((byte) => byte !== 0)) {
        const detail = `${rest.size} bytes after the compressed data`;
        facts.add({ problem: 'hidden-data', name: '', detail, byteOffset: end });
        report.nested(`rest@${end}`, rest);
      }
    }
    facts.emit(report);
    if (error !== undefined && bomb === undefined) throw error;
  },
};
