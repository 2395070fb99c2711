/**
 * A little-endian position in a `ByteSource`. Every step is range-checked by the source, 64-bit numbers that
 * JavaScript cannot hold exactly are refused, and counted byte strings have a limit before they are read.
 */
import { ScanError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';

const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });

export class Cursor {
  readonly source: ByteSource;
  at: number;
  readonly end: number;

  /** @param end first byte that does not belong to the range; the source's size unless given. */
  constructor(source: ByteSource, at = 0, end: number = source.size) {
    this.source = source;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  #take(length: number): DataView {
    if (length > this.left) throw this.truncated(length);
    const bytes = this.source.read(this.at, length);
    this.at += length;
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  truncated(wanted: number): ScanError {
    return new ScanError(
      'E_TRUNCATED',
      `${wanted} bytes wanted, ${Math.max(this.left, 0)} are left`,
      {
        byteOffset: this.at,
      },
    );
  }

  u8(): number {
    return this.#take(1).getUint8(0);
  }

  u16(): number {
    return this.#take(2).getUint16(0, true);
  }

  u32(): number {
    return this.#take(4).getUint32(0, true);
  }

  i32(): number {
    return this.#take(4).getInt32(0, true);
  }

  f32(): number {
    return this.#take(4).getFloat32(0, true);
  }

  f64(): number {
    return this.#take(8).getFloat64(0, true);
  }

  u64(): bigint {
    return this.#take(8).getBigUint64(0, true);
  }

  i64(): bigint {
    return this.#take(8).getBigInt64(0, true);
  }

  /** A 64-bit count or offset. @throws ScanError `E_LIMIT` above 2^53 - 1. */
  count64(what: string): number {
    const byteOffset = this.at;
    const view = this.#take(8);
    const value = view.getUint32(4, true) * 0x1_0000_0000 + view.getUint32(0, true);
    if (!Number.isSafeInteger(value)) {
      throw new ScanError('E_LIMIT', `${what} does not fit 53 bits`, { byteOffset });
    }
    return value;
  }

  skip(length: number): void {
    if (length < 0 || length > this.left) throw this.truncated(length);
    this.at += length;
  }

  bytes(length: number): Uint8Array {
    if (length < 0 || length > this.left) throw this.truncated(length);
    const bytes = this.source.read(this.at, length);
    this.at += length;
    return bytes;
  }

  /** UTF-8 text of a known length; bad sequences become U+FFFD. @throws ScanError `E_LIMIT` past the limit. */
  text(length: number, maxBytes: number): string {
    if (length > maxBytes) {
      throw new ScanError('E_LIMIT', `a string of ${length} bytes, the limit is ${maxBytes}`, {
        byteOffset: this.at,
      });
    }
    return decoder.decode(this.bytes(length));
  }
}
