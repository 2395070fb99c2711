/**
 * A little-endian position in a `ByteSource`. Every step is range-checked by the source, 64-bit numbers that
 * JavaScript cannot hold exactly are refused, and counted byte strings have a limit before they are read.
 */
import { ScanError } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';

const VIEW_BYTES = 16 * 1024;
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });

export class Cursor {
  readonly source: ByteSource;
  at: number;
  readonly end: number;
  /** The bytes read last; sources never change bytes that they handed out. */
  #view: DataView = new DataView(new ArrayBuffer(0));
  #viewStart = 0;

  /** @param end first byte that does not belong to the range; the source's size unless given. */
  constructor(source: ByteSource, at = 0, end: number = source.size) {
    this.source = source;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** Makes the next bytes addressable and steps over them; returns where they start in `#view`. */
  #step(length: number): number {
    if (length > this.left) throw this.truncated(length);
    const start = this.at;
    if (start < this.#viewStart || start + length > this.#viewStart + this.#view.byteLength) {
      const bytes = this.source.read(start, Math.min(this.left, VIEW_BYTES));
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#viewStart = start;
    }
    this.at += length;
    return start - this.#viewStart;
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
    const offset = this.#step(1);
    return this.#view.getUint8(offset);
  }

  u16(): number {
    const offset = this.#step(2);
    return this.#view.getUint16(offset, true);
  }

  u32(): number {
    const offset = this.#step(4);
    return this.#view.getUint32(offset, true);
  }

  i32(): number {
    const offset = this.#step(4);
    return this.#view.getInt32(offset, true);
  }

  f32(): number {
    const offset = this.#step(4);
    return this.#view.getFloat32(offset, true);
  }

  f64(): number {
    const offset = this.#step(8);
    return this.#view.getFloat64(offset, true);
  }

  u64(): bigint {
    const offset = this.#step(8);
    return this.#view.getBigUint64(offset, true);
  }

  i64(): bigint {
    const offset = this.#step(8);
    return this.#view.getBigInt64(offset, true);
  }

  /** A 64-bit count or offset. @throws ScanError `E_LIMIT` above 2^53 - 1. */
  count64(what: string): number {
    const byteOffset = this.at;
    const offset = this.#step(8);
    const value =
      this.#view.getUint32(offset + 4, true) * 0x1_0000_0000 + this.#view.getUint32(offset, true);
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
