/**
 * Zstandard frames (RFC 8878). The block coding is left to `fzstd`; frame and block headers are read here
 * first, so that it sees one block at a time and never a window size that nobody checked.
 */
import { Decompress } from 'fzstd';
import { ScanError } from '../../errors.ts';
import { BlockStream, type ByteStream, type Input } from './byte-stream.ts';

const MAGIC = 0xfd2fb528;
const MAX_WINDOW_BYTES = 64 * 2 ** 20;
const MAX_BLOCK_BYTES = 128 * 1024;

export function zstdStream(input: Input): ByteStream {
  let decoder: Decompress | undefined;
  let checksum = false;
  let produced: Uint8Array[] = [];
  return new BlockStream(() => {
    for (;;) {
      const ready = produced.shift();
      if (ready !== undefined) return ready;
      if (decoder === undefined) {
        const frame = frameHeader(input);
        if (frame === undefined) return undefined;
        checksum = frame.checksum;
        produced = [];
        decoder = new Decompress((chunk) => {
          if (chunk.byteLength > 0) produced.push(chunk.slice());
        });
        feed(decoder, frame.bytes, false, input);
        continue;
      }
      const { bytes, last } = block(input);
      feed(decoder, bytes, last && !checksum, input);
      if (last) {
        if (checksum) feed(decoder, input.take(4), true, input);
        decoder = undefined;
      }
    }
  });
}

function feed(decoder: Decompress, bytes: Uint8Array, final: boolean, input: Input): void {
  try {
    decoder.push(bytes.slice(), final);
  } catch (cause) {
    throw new ScanError('E_FORMAT', 'broken zstd data', { byteOffset: input.offset, cause });
  }
}

/** The header's bytes, skippable frames passed over; nothing where no frame starts. */
function frameHeader(input: Input): { bytes: Uint8Array; checksum: boolean } | undefined {
  for (;;) {
    if (input.left < 6) return undefined;
    const start = input.offset;
    const magic = input.u32();
    if (magic >>> 4 === 0x184d2a5) {
      const length = input.u32();
      if (length > input.left) input.truncated();
      input.offset += length;
      continue;
    }
    if (magic !== MAGIC) return undefined;
    const descriptor = input.byte();
    const single = (descriptor & 0x20) !== 0;
    if ((descriptor & 3) !== 0) input.fail('zstd data with a dictionary');
    const windowByte = single ? 0 : input.byte();
    const sizeBytes = descriptor >> 6 === 0 ? (single ? 1 : 0) : 2 ** (descriptor >> 6);
    const size = input.take(sizeBytes).reduceRight((sum, byte) => sum * 256 + byte, 0);
    const base = 2 ** (10 + (windowByte >> 3));
    const window = single ? size : base + (base / 8) * (windowByte & 7);
    if (window > MAX_WINDOW_BYTES) {
      throw new ScanError('E_LIMIT', `a zstd window of ${window} bytes`, { byteOffset: start });
    }
    const bytes = input.source.read(start, input.offset - start).slice();
    return { bytes, checksum: (descriptor & 4) !== 0 };
  }
}

function block(input: Input): { bytes: Uint8Array; last: boolean } {
  const start = input.offset;
  const header = input.byte() + input.byte() * 256 + input.byte() * 65_536;
  const type = (header >> 1) & 3;
  const size = header >> 3;
  if (type === 3) input.fail('a zstd block of a type that does not exist');
  if (size > MAX_BLOCK_BYTES) input.fail('a zstd block is too long');
  input.take(type === 1 ? 1 : size);
  return { bytes: input.source.read(start, input.offset - start), last: (header & 1) === 1 };
}
