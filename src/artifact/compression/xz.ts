/** LZMA2 and the `.xz` container (xz-file-format.txt 1.1.0); checks are skipped, filters other than LZMA2 refused. */
import { ScanError } from '../../errors.ts';
import { BlockStream, type ByteStream, type Input } from './byte-stream.ts';
import { LzmaDecoder, MAX_DICTIONARY_BYTES } from './lzma.ts';

const LZMA2_FILTER = 0x21;
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

export function lzma2DictionaryBytes(property: number): number {
  if (property > 40)
    throw new ScanError('E_FORMAT', 'an LZMA2 dictionary size that does not exist');
  return property === 40 ? 0xffffffff : (2 | (property & 1)) * 2 ** (Math.floor(property / 2) + 11);
}

/** One LZMA2 sequence of chunks; the input stands behind its end mark afterwards. */
export function lzma2Stream(input: Input, dictionaryBytes: number): ByteStream {
  const decoder = new LzmaDecoder(input, Math.min(dictionaryBytes, MAX_DICTIONARY_BYTES));
  let ended = false;
  let failed: unknown;
  let known = false;
  return new BlockStream(() => {
    if (failed !== undefined) throw failed;
    if (ended) return undefined;
    const control = input.byte();
    if (control === 0) {
      ended = true;
      return undefined;
    }
    if (control === 1 || control === 2) {
      if (control === 1) decoder.resetDictionary();
      const bytes = input.take(input.byte() * 256 + input.byte() + 1).slice();
      decoder.store(bytes);
      return bytes;
    }
    if (control < 0x80) return input.fail('an LZMA2 chunk of a type that does not exist');
    const size = (control & 0x1f) * 65_536 + input.byte() * 256 + input.byte() + 1;
    const packed = input.byte() * 256 + input.byte() + 1;
    const start = input.offset;
    const reset = (control >> 5) & 3;
    if (reset === 3) decoder.resetDictionary();
    if (reset >= 2) {
      decoder.setProperties(input.byte());
      known = true;
    } else if (!known) input.fail('an LZMA2 chunk without properties');
    if (reset === 1) decoder.resetState();
    decoder.startRange();
    const block = new Uint8Array(size);
    try {
      decoder.decode(block);
    } catch (error) {
      if (decoder.decoded === 0) throw error;
      failed = error;
      return block.subarray(0, decoder.decoded);
    }
    input.offset = Math.min(start + packed + (reset >= 2 ? 1 : 0), input.end);
    return block;
  });
}

export function xzStream(input: Input): ByteStream {
  let checkBytes: number | undefined;
  let block: ByteStream | undefined;
  let blockStart = 0;
  const buffer = new Uint8Array(64 * 1024);
  return new BlockStream(() => {
    for (;;) {
      if (block !== undefined) {
        const count = block.read(buffer);
        if (count > 0) return buffer.slice(0, count);
        block = undefined;
        while ((input.offset - blockStart) % 4 !== 0) input.byte();
        input.take(checkBytes ?? 0);
      }
      if (checkBytes === undefined) {
        checkBytes = streamHeader(input);
        if (checkBytes === undefined) return undefined;
      }
      blockStart = input.offset;
      const headerUnits = input.byte();
      if (headerUnits === 0) {
        skipIndex(input, blockStart);
        checkBytes = undefined;
        continue;
      }
      block = blockBody(input, headerUnits);
      blockStart = input.offset;
    }
  });
}

/** Size of the check of this stream; nothing at the end of the file. */
function streamHeader(input: Input): number | undefined {
  while (input.left >= 4 && input.source.read(input.offset, 4).every((byte) => byte === 0))
    input.offset += 4;
  if (input.left < 12) return undefined;
  const head = input.take(12);
  if (head[0] !== 0xfd || head[1] !== 0x37 || head[2] !== 0x7a) {
    if (input.offset === 12) input.fail('no xz header');
    return undefined;
  }
  return CHECK_BYTES[(head[7] as number) & 15];
}

function blockBody(input: Input, headerUnits: number): ByteStream {
  const end = input.offset - 1 + (headerUnits + 1) * 4;
  const flags = input.byte();
  if ((flags & 0x40) !== 0) variableLength(input);
  if ((flags & 0x80) !== 0) variableLength(input);
  const filterCount = (flags & 3) + 1;
  const filter = variableLength(input);
  if (filterCount !== 1 || filter !== LZMA2_FILTER)
    throw new ScanError('E_LIMIT', 'an xz filter other than LZMA2 cannot be read here', {
      byteOffset: input.offset,
    });
  if (variableLength(input) !== 1) input.fail('LZMA2 has one property byte');
  const dictionary = lzma2DictionaryBytes(input.byte());
  if (end > input.end) input.truncated();
  input.offset = end;
  return lzma2Stream(input, dictionary);
}

function skipIndex(input: Input, start: number): void {
  const records = variableLength(input);
  if (records > input.left) input.fail('an xz index is longer than the file');
  for (let i = 0; i < records * 2; i++) variableLength(input);
  while ((input.offset - start) % 4 !== 0) input.byte();
  // CRC of the index, then the stream footer.
  input.take(Math.min(16, input.left));
}

function variableLength(input: Input): number {
  let value = 0;
  for (let i = 0; i < 9; i++) {
    const byte = input.byte();
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return value;
  }
  return input.fail('a number that is too long');
}
