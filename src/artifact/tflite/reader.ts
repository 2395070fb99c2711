/**
 * TFLite models: a FlatBuffer walked with every offset, vector and index checked. Tensor bytes are not read.
 * Source: tensorflow/compiler/mlir/lite/schema/schema.fbs and the FlatBuffers internals document.
 */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { type ProblemSink, throwProblem } from '../problem.ts';

export interface TfliteModel {
  readonly version: number;
  readonly operators: readonly TfliteOperator[];
  readonly tensorCount: number;
}

export interface TfliteOperator {
  /** Present for custom operators. */
  readonly customName?: string;
  readonly builtinCode: number;
  /** How many nodes use it. */
  readonly uses: number;
  readonly byteOffset: number;
}

const CUSTOM = 32;
const MAX_TABLES = 5_000_000;
const MAX_TEXT_BYTES = 4096;

/** @throws ScanError `E_FORMAT` or `E_TRUNCATED` when an offset leaves the file */
export function readTflite(source: ByteSource, sink: ProblemSink = throwProblem): TfliteModel {
  const buffer = new FlatBuffer(source);
  const model = buffer.root();
  const version = buffer.u32Field(model, 0);
  const codes = [...buffer.tables(model, 1)].map((table) => readCode(buffer, table));
  const uses = new Array<number>(codes.length).fill(0);
  const bufferCount = checkBuffers(buffer, model, source, sink);
  let tensorCount = 0;
  for (const graph of buffer.tables(model, 2)) {
    let inGraph = 0;
    for (const tensor of buffer.tables(graph, 0)) {
      inGraph++;
      const index = buffer.u32Field(tensor, 2);
      if (index >= bufferCount && index !== 0) outside(sink, 'a tensor names a buffer', tensor);
    }
    tensorCount += inGraph;
    for (const operator of buffer.tables(graph, 3)) {
      const code = buffer.u32Field(operator, 0);
      if (code >= codes.length) outside(sink, 'a node names an operator', operator);
      else uses[code] = (uses[code] ?? 0) + 1;
      for (const field of [1, 2]) {
        for (const index of buffer.i32s(operator, field)) {
          if (index >= inGraph || index < -1) {
            outside(sink, 'a node names a tensor', operator);
            break;
          }
        }
      }
    }
  }
  const operators = codes.map((code, i) => ({ ...code, uses: uses[i] ?? 0 }));
  return { version, operators, tensorCount };
}

function outside(sink: ProblemSink, what: string, byteOffset: number): void {
  sink({
    problem: 'buffer-bounds',
    code: 'E_FORMAT',
    detail: `${what} that does not exist`,
    byteOffset,
  });
}

function readCode(buffer: FlatBuffer, table: number): Omit<TfliteOperator, 'uses'> {
  const builtinCode = Math.max(buffer.u8Field(table, 0), buffer.u32Field(table, 3));
  const customName = builtinCode === CUSTOM ? buffer.textField(table, 1) : undefined;
  return { builtinCode, byteOffset: table, ...(customName !== undefined && { customName }) };
}

/** Buffers hold their bytes inside the FlatBuffer, or name a place after it. */
function checkBuffers(
  buffer: FlatBuffer,
  model: number,
  source: ByteSource,
  sink: ProblemSink,
): number {
  let count = 0;
  for (const table of buffer.tables(model, 4)) {
    count++;
    buffer.vectorLength(table, 0);
    const offset = buffer.u64Field(table, 1);
    const size = buffer.u64Field(table, 2);
    if (offset > 1 && (offset > source.size || size > source.size - offset)) {
      const detail = `a buffer of ${size} bytes at ${offset} leaves the file`;
      sink({ problem: 'tensor-bounds', code: 'E_TENSOR_BOUNDS', detail, byteOffset: table });
    }
  }
  return count;
}

/** FlatBuffers access: tables are absolute offsets, absent fields read as zero or nothing. */
class FlatBuffer {
  readonly #source: ByteSource;
  #visited = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  root(): number {
    return this.#table(this.#u32(0));
  }

  #view(offset: number, length: number): DataView {
    const bytes = this.#source.read(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  #u32(offset: number): number {
    return this.#view(offset, 4).getUint32(0, true);
  }

  #table(offset: number): number {
    if (++this.#visited > MAX_TABLES) {
      throw new ScanError('E_LIMIT', `more than ${MAX_TABLES} tables`, { byteOffset: offset });
    }
    return offset;
  }

  /** Absolute offset of a field's value; undefined when the table leaves it out. */
  #field(table: number, index: number): number | undefined {
    const vtable = table - this.#view(table, 4).getInt32(0, true);
    const size = this.#view(vtable, 2).getUint16(0, true);
    const slot = 4 + 2 * index;
    if (slot + 2 > size) return undefined;
    const relative = this.#view(vtable + slot, 2).getUint16(0, true);
    return relative === 0 ? undefined : table + relative;
  }

  u8Field(table: number, index: number): number {
    const at = this.#field(table, index);
    return at === undefined ? 0 : this.#view(at, 1).getUint8(0);
  }

  u32Field(table: number, index: number): number {
    const at = this.#field(table, index);
    return at === undefined ? 0 : this.#u32(at);
  }

  u64Field(table: number, index: number): number {
    const at = this.#field(table, index);
    return at === undefined ? 0 : Number(this.#view(at, 8).getBigUint64(0, true));
  }

  #target(table: number, index: number): number | undefined {
    const at = this.#field(table, index);
    return at === undefined ? undefined : at + this.#u32(at);
  }

  textField(table: number, index: number): string {
    const at = this.#target(table, index);
    if (at === undefined) return '';
    const length = this.#u32(at);
    const kept = Math.min(length, MAX_TEXT_BYTES);
    return Buffer.from(this.#source.read(at + 4, kept)).toString('utf8');
  }

  /** Bytes of a byte vector; its range is checked. */
  vectorLength(table: number, index: number): number {
    const at = this.#target(table, index);
    if (at === undefined) return 0;
    const length = this.#u32(at);
    this.#check(at + 4, length);
    return length;
  }

  #check(offset: number, length: number): void {
    if (offset + length > this.#source.size) {
      throw new ScanError('E_TRUNCATED', `a vector of ${length} bytes leaves the file`, {
        byteOffset: offset,
      });
    }
  }

  *tables(table: number, index: number): Generator<number> {
    const at = this.#target(table, index);
    if (at === undefined) return;
    const count = this.#u32(at);
    this.#check(at + 4, count * 4);
    for (let i = 0; i < count; i++) {
      const slot = at + 4 + 4 * i;
      yield this.#table(slot + this.#u32(slot));
    }
  }

  *i32s(table: number, index: number): Generator<number> {
    const at = this.#target(table, index);
    if (at === undefined) return;
    const count = this.#u32(at);
    this.#check(at + 4, count * 4);
    for (let i = 0; i < count; i++) {
      this.#table(at);
      yield this.#view(at + 4 + 4 * i, 4).getInt32(0, true);
    }
  }
}
