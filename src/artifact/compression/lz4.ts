/** LZ4 frames (lz4_Frame_format.md) and the block coding inside them; checksums are not read. */
import { BlockStream, type ByteStream, type Input } from './byte-stream.ts';

const BLOCK_BYTES = [0, 0, 0, 0, 64 * 1024, 256 * 1024, 2 ** 20, 4 * 2 ** 20];
const DICTIONARY_BYTES = 64 * 1024;
const MAGIC = 0x184d2204;

export function lz4Stream(input: Input): ByteStream {
  let frame: Frame | undefined;
  return new BlockStream(() => {
    for (;;) {
      if (frame === undefined) {
        if (input.left < 7) return undefined;
        const magic = input.u32();
        if (magic >>> 4 === 0x184d2a5) {
          const length = input.u32();
          if (length > input.left) input.truncated();
          input.offset += length;
          continue;
        }
        if (magic !== MAGIC) return undefined;
        frame = readHeader(input);
      }
      const block = readBlock(input, frame);
      if (block !== undefined) return block;
      frame = undefined;
    }
  });
}

interface Frame {
  readonly maxBlockBytes: number;
  readonly blockChecksums: boolean;
  readonly contentChecksum: boolean;
  readonly linked: boolean;
  history: Uint8Array;
}

function readHeader(input: Input): Frame {
  const flags = input.byte();
  const maxBlockBytes = BLOCK_BYTES[(input.byte() >> 4) & 7] as number;
  if (flags >> 6 !== 1 || maxBlockBytes === 0) input.fail('no lz4 frame header');
  if ((flags & 8) !== 0) input.take(8);
  if ((flags & 1) !== 0) input.take(4);
  input.byte();
  return {
    maxBlockBytes,
    blockChecksums: (flags & 0x10) !== 0,
    contentChecksum: (flags & 4) !== 0,
    linked: (flags & 0x20) === 0,
    history: new Uint8Array(0),
  };
}

/** Nothing at the end mark. */
function readBlock(input: Input, frame: Frame): Uint8Array | undefined {
  const word = input.u32();
  if (word === 0) {
    if (frame.contentChecksum && input.left >= 4) input.take(4);
    return undefined;
  }
  const stored = word >>> 31 === 1;
  const length = word & 0x7fffffff;
  if (length > frame.maxBlockBytes + 16) input.fail('an lz4 block is larger than its frame allows');
  const raw = input.take(length);
  const block = stored ? raw.slice() : decodeBlock(raw, frame, input);
  if (frame.blockChecksums) input.take(4);
  if (frame.linked) frame.history = lastBytes(frame.history, block);
  return block;
}

function lastBytes(history: Uint8Array, block: Uint8Array): Uint8Array {
  if (block.byteLength >= DICTIONARY_BYTES) return block.slice(-DICTIONARY_BYTES);
  const joined = new Uint8Array(history.byteLength + block.byteLength);
  joined.set(history);
  joined.set(block, history.byteLength);
  return joined.slice(-DICTIONARY_BYTES);
}

function decodeBlock(raw: Uint8Array, frame: Frame, input: Input): Uint8Array {
  const history = frame.history.byteLength;
  const out = new Uint8Array(history + frame.maxBlockBytes);
  out.set(frame.history);
  let at = history;
  let i = 0;
  function longLength(start: number): number {
    let length = start;
    if (start !== 15) return length;
    for (let more = 255; more === 255; length += more) {
      if (i >= raw.byteLength) input.fail('an lz4 length runs over its block');
      more = raw[i++] as number;
    }
    return length;
  }
  while (i < raw.byteLength) {
    const token = raw[i++] as number;
    const literals = longLength(token >> 4);
    if (literals > raw.byteLength - i || literals > out.byteLength - at)
      input.fail('lz4 literals run over');
    out.set(raw.subarray(i, i + literals), at);
    at += literals;
    i += literals;
    if (i >= raw.byteLength) break;
    const distance = (raw[i] as number) + (raw[i + 1] ?? 0) * 256;
    i += 2;
    const length = longLength(token & 15) + 4;
    if (distance === 0 || distance > at || length > out.byteLength - at)
      input.fail('an lz4 match runs over');
    for (let end = at + length; at < end; at++) out[at] = out[at - distance] as number;
  }
  return out.subarray(history, at);
}
