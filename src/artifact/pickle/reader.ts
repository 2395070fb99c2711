/**
 * Splits a pickle into instructions, in windows, without believing any length: long arguments are
 * given as ranges, so a pickle of any size is read with flat memory.
 */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { type Opcode, opcodeAt } from './opcodes.ts';

/** Strings and bytes longer than this are kept as a range and a prefix. */
export const KEPT_BYTES = 4096;
const MAX_LINE_BYTES = 64 * 1024;
const WINDOW_BYTES = 64 * 1024;

export interface Instruction {
  readonly opcode: Opcode;
  readonly byteOffset: number;
  readonly byteLength: number;
  /** Integer argument, where the opcode has one; a length for bytes and text. */
  readonly number: number;
  /** First `KEPT_BYTES` of a bytes or text argument, or a line without its end. */
  readonly bytes: Uint8Array;
  /** Second line of GLOBAL and INST. */
  readonly second: Uint8Array;
  /** Where the bytes or text argument starts. */
  readonly dataOffset: number;
}

const NOTHING = new Uint8Array(0);
const WIDTH = { u1: 1, u2: 2, i4: 4, u4: 4, u8: 8, f8be: 8 } as const;

/** A cursor over one or more pickles in a source. */
export class PickleReader {
  readonly source: ByteSource;
  offset: number;
  #window: Uint8Array = NOTHING;
  #windowStart = 0;

  constructor(source: ByteSource, offset = 0) {
    this.source = source;
    this.offset = offset;
  }

  get atEnd(): boolean {
    return this.offset >= this.source.size;
  }

  /** @throws ScanError `E_TRUNCATED` or `E_FORMAT`, at the instruction's offset. */
  next(): Instruction {
    const byteOffset = this.offset;
    const code = this.#take(1)[0] as number;
    const opcode = opcodeAt(code);
    if (opcode === undefined) {
      this.offset = byteOffset;
      throw new ScanError('E_FORMAT', `byte 0x${code.toString(16)} is not a pickle opcode`, {
        byteOffset,
      });
    }
    let number = 0;
    let bytes: Uint8Array = NOTHING;
    let second: Uint8Array = NOTHING;
    let dataOffset = this.offset;
    const kind = opcode.argument;
    switch (kind) {
      case 'none':
        break;
      case 'line':
        bytes = this.#line();
        break;
      case 'two-lines':
        bytes = this.#line();
        second = this.#line();
        break;
      case 'u1':
      case 'u2':
      case 'i4':
      case 'u4':
      case 'u8':
      case 'f8be':
        number = readNumber(this.#take(WIDTH[kind]), kind);
        break;
      default: {
        const width = kind.endsWith('1') ? 'u1' : kind.endsWith('4') ? 'u4' : 'u8';
        number = readNumber(this.#take(WIDTH[width]), width);
        dataOffset = this.offset;
        if (!Number.isSafeInteger(number) || number > this.source.size - dataOffset) {
          throw new ScanError('E_TRUNCATED', `${opcode.name} wants ${number} bytes`, {
            byteOffset,
          });
        }
        bytes = this.#take(Math.min(number, KEPT_BYTES)).slice();
        this.offset = dataOffset + number;
      }
    }
    return {
      opcode,
      byteOffset,
      byteLength: this.offset - byteOffset,
      number,
      bytes,
      second,
      dataOffset,
    };
  }

  #take(length: number): Uint8Array {
    const bytes = this.#peek(length);
    if (bytes.byteLength < length) {
      throw new ScanError('E_TRUNCATED', 'the pickle ends inside an instruction', {
        byteOffset: this.offset,
      });
    }
    this.offset += length;
    return bytes.subarray(0, length);
  }

  /** Up to `length` bytes at the cursor, fewer at the end. */
  #peek(length: number): Uint8Array {
    const end = Math.min(this.offset + length, this.source.size);
    const windowEnd = this.#windowStart + this.#window.byteLength;
    if (this.offset < this.#windowStart || end > windowEnd) {
      const wanted = Math.max(length, WINDOW_BYTES);
      const size = Math.min(wanted, this.source.size - this.offset);
      if (size <= 0) return NOTHING;
      this.#window = this.source.read(this.offset, size);
      this.#windowStart = this.offset;
    }
    return this.#window.subarray(this.offset - this.#windowStart, end - this.#windowStart);
  }

  #line(): Uint8Array {
    for (let size = 256; ; size *= 4) {
      const bytes = this.#peek(Math.min(size, MAX_LINE_BYTES));
      const end = bytes.indexOf(0x0a);
      if (end >= 0) {
        this.offset += end + 1;
        return bytes.slice(0, end);
      }
      const ended = this.offset + bytes.byteLength >= this.source.size;
      if (ended || size >= MAX_LINE_BYTES) {
        throw new ScanError(
          ended ? 'E_TRUNCATED' : 'E_LIMIT',
          ended ? 'the pickle ends inside a line' : `a line is longer than ${MAX_LINE_BYTES} bytes`,
          { byteOffset: this.offset },
        );
      }
    }
  }
}

function readNumber(bytes: Uint8Array, kind: keyof typeof WIDTH): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (kind) {
    case 'u1':
      return view.getUint8(0);
    case 'u2':
      return view.getUint16(0, true);
    case 'i4':
      return view.getInt32(0, true);
    case 'u4':
      return view.getUint32(0, true);
    case 'u8':
      return Number(view.getBigUint64(0, true));
    case 'f8be':
      return view.getFloat64(0, false);
  }
}
