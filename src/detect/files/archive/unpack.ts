/**
 * Turns a member of an archive, or a compressed file, into a nested source: small ones whole, large ones
 * of no interest by their head only. Bombs are stopped and said, broken ends keep what came before.
 */
import { type ByteSource, HeadSource, MemorySource } from '../../../artifact/byte-source.ts';
import type { ByteStream } from '../../../artifact/compression/byte-stream.ts';
import { type Expansion, expand } from '../../../artifact/compression/expand.ts';
import { readNpyHeader } from '../../../artifact/numpy/npy.ts';
import { recognise } from '../../../artifact/recognise.ts';
import { ScanError } from '../../../errors.ts';
import type { FileSubject } from '../detector.ts';

const HEAD_BYTES = 64 * 1024;
/** Above this a member is decoded whole only when its head is a format that can hide something. */
const WHOLE_BYTES = 256 * 2 ** 20;
const PLAIN_FORMATS = new Set(['unknown', 'npy']);
const BOMB_RATIO = 200;
const BOMB_BYTES = 64 * 2 ** 20;

export interface Unpacked extends Expansion {
  readonly bomb?: { readonly producedBytes: number };
}

/** Decodes `packed`; `declaredBytes` only decides how much is worth decoding. */
export function unpack(
  packed: ByteSource,
  open: () => ByteStream,
  declaredBytes: number,
  subject: FileSubject,
): Unpacked {
  if (declaredBytes > WHOLE_BYTES) {
    const head = headOf(open);
    const { format } = recognise(new MemorySource(head, packed.name), packed.name);
    const objects = format === 'npy' && holdsObjects(head);
    if (PLAIN_FORMATS.has(format) && !objects)
      return { source: new HeadSource(head, declaredBytes, packed.name) };
  }
  let bomb: Unpacked['bomb'];
  const expansion = expand(open, packed.name, {
    spend: (bytes) => subject.budget.spend(bytes),
    stop: (producedBytes) => {
      const stopped = bombStop(producedBytes, packed.size);
      if (stopped !== undefined) bomb = { producedBytes };
      return stopped;
    },
  });
  return bomb === undefined ? expansion : { ...expansion, bomb };
}

/** More output than any weights would give for so little input. */
export function bombStop(producedBytes: number, packedBytes: number): ScanError | undefined {
  if (producedBytes < BOMB_BYTES || producedBytes < packedBytes * BOMB_RATIO) return undefined;
  return new ScanError('E_LIMIT', 'the rest of a decompression bomb was not read');
}

function headOf(open: () => ByteStream): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const stream = open();
  let done = 0;
  try {
    while (done < HEAD_BYTES) {
      const count = stream.read(head.subarray(done));
      if (count === 0) break;
      done += count;
    }
  } catch (error) {
    if (!(error instanceof ScanError)) throw error;
  }
  return head.subarray(0, done);
}

/** An array of objects is a pickle; a header that cannot be read may be one. */
function holdsObjects(head: Uint8Array): boolean {
  try {
    return readNpyHeader(new MemorySource(head, 'head'), () => undefined).holdsObjects;
  } catch (error) {
    if (error instanceof ScanError) return true;
    throw error;
  }
}
