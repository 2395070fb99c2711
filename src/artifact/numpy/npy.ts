/** Header of a .npy file, format versions 1 to 3. Source: numpy/lib/format.py (NEP 1). */
import { ScanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { Cursor } from '../cursor.ts';
import { type ProblemSink, throwProblem } from '../problem.ts';
import { type PythonLiteral, parsePythonLiteral } from './literal.ts';

export interface NpyHeader {
  readonly version: number;
  readonly shape: readonly number[];
  readonly fortranOrder: boolean;
  /** The element type as numpy writes it, as in `<f4`; undefined for structured types. */
  readonly descr: string | undefined;
  /** Bytes of one element; undefined for an unknown type. */
  readonly itemBytes: number | undefined;
  /** True when the elements are Python objects, so that the data is a pickle. */
  readonly holdsObjects: boolean;
  readonly dataOffset: number;
}

/** numpy refuses more than 10,000 characters unless told otherwise. */
const MAX_HEADER_BYTES = 1_048_576;
const USUAL_HEADER_BYTES = 65_535;
const HEADER_KEYS = ['descr', 'fortran_order', 'shape'];

/**
 * @param totalBytes of the file, where `source` is only its head
 * @throws ScanError `E_FORMAT`, `E_TRUNCATED`, `E_LIMIT` for a header that cannot be read
 */
export function readNpyHeader(
  source: ByteSource,
  sink: ProblemSink = throwProblem,
  totalBytes: number = source.size,
): NpyHeader {
  const cursor = new Cursor(source);
  if (Buffer.from(cursor.bytes(6)).toString('latin1') !== '\x93NUMPY') {
    throw new ScanError('E_FORMAT', 'not a NumPy magic', { byteOffset: 0 });
  }
  const version = cursor.u8();
  cursor.skip(1);
  if (version < 1 || version > 3) {
    throw new ScanError('E_FORMAT', `format version ${version} is not known`, { byteOffset: 6 });
  }
  const length = version === 1 ? cursor.u16() : cursor.u32();
  const headerOffset = cursor.at;
  if (length > USUAL_HEADER_BYTES) {
    const detail = `the header has ${length} bytes`;
    sink({ problem: 'header-padding', code: 'E_LIMIT', detail, byteOffset: headerOffset });
  }
  const text = cursor.text(length, MAX_HEADER_BYTES);
  const fields = readFields(text, headerOffset, sink);
  const shape = fields.get('shape');
  const sizes = isSizes(shape) ? shape : undefined;
  if (sizes === undefined) {
    throw new ScanError('E_FORMAT', 'the shape is not a tuple of sizes', {
      byteOffset: headerOffset,
    });
  }
  const type = describe(fields.get('descr'), 0);
  const header = {
    version,
    shape: sizes,
    descr: textOf(fields.get('descr')),
    fortranOrder: fields.get('fortran_order') === true,
    itemBytes: type.bytes,
    holdsObjects: type.objects,
    dataOffset: cursor.at,
  };
  if (!header.holdsObjects) checkSize(header, totalBytes, sink);
  return header;
}

function readFields(
  text: string,
  headerOffset: number,
  sink: ProblemSink,
): ReadonlyMap<string, PythonLiteral> {
  let literal: PythonLiteral;
  try {
    literal = parsePythonLiteral(text);
  } catch (error) {
    if (!(error instanceof ScanError)) throw error;
    const byteOffset = headerOffset + (error.byteOffset ?? 0);
    if (/name or call/.test(error.message)) {
      sink({
        problem: 'header-code',
        code: 'E_FORMAT',
        detail: 'the header holds a name or call',
        byteOffset,
      });
    }
    throw new ScanError(error.code, `the header is no literal: ${error.message}`, { byteOffset });
  }
  const fields = new Map<string, PythonLiteral>();
  const entries =
    literal !== null && typeof literal === 'object' && 'entries' in literal
      ? (literal.entries as readonly (readonly [PythonLiteral, PythonLiteral])[])
      : undefined;
  if (entries === undefined) {
    throw new ScanError('E_FORMAT', 'the header is not a dict', { byteOffset: headerOffset });
  }
  for (const [key, value] of entries) {
    const name = String(key);
    if (fields.has(name)) {
      const detail = `the header holds ${JSON.stringify(name.slice(0, 60))} twice`;
      sink({ problem: 'duplicate-key', code: 'E_FORMAT', detail, byteOffset: headerOffset });
    }
    if (!HEADER_KEYS.includes(name)) {
      const detail = `the header has the key ${JSON.stringify(name.slice(0, 60))}`;
      sink({ problem: 'unknown-field', code: 'E_FORMAT', detail, byteOffset: headerOffset });
    }
    fields.set(name, value);
  }
  return fields;
}

function textOf(value: PythonLiteral | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function isSizes(value: PythonLiteral | undefined): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.length <= 64 &&
    value.every((n) => typeof n === 'number' && n >= 0)
  );
}

interface Described {
  readonly bytes: number | undefined;
  readonly objects: boolean;
}

/** Bytes of a dtype description: `<f4`, or a list of fields with optional sub-array shapes. */
function describe(descr: PythonLiteral | undefined, depth: number): Described {
  const unknown = { bytes: undefined, objects: false };
  if (depth > 16) return unknown;
  if (typeof descr === 'string') {
    const match = /^[<>|=]?([?bBhHiIlLqQefdgFDGSaUVOMmpPcux])(\d{0,18})(?:\[.{0,40}\])?$/.exec(
      descr,
    );
    if (!match) return unknown;
    const size = match[2] === '' ? undefined : Number(match[2]);
    if (match[1] === 'O') return { bytes: size ?? 8, objects: true };
    return {
      bytes: size === undefined ? undefined : match[1] === 'U' ? size * 4 : size,
      objects: false,
    };
  }
  if (!Array.isArray(descr)) return unknown;
  let bytes: number | undefined = 0;
  let objects = false;
  for (const field of descr as readonly PythonLiteral[]) {
    if (!Array.isArray(field)) return unknown;
    const inner = describe(field[1], depth + 1);
    const repeat = isSizes(field[2]) ? field[2].reduce((product, n) => product * n, 1) : 1;
    objects ||= inner.objects;
    bytes =
      inner.bytes === undefined || bytes === undefined ? undefined : bytes + inner.bytes * repeat;
  }
  return { bytes, objects };
}

function checkSize(header: Omit<NpyHeader, 'version'>, fileBytes: number, sink: ProblemSink): void {
  const { shape, itemBytes, dataOffset } = header;
  const elements = shape.reduce((product, n) => product * n, 1);
  const needed = elements * (itemBytes ?? 0);
  if (!Number.isSafeInteger(elements) || !Number.isSafeInteger(needed)) {
    const detail = `shape (${shape.join(', ')}) does not fit 53 bits`;
    sink({ problem: 'shape-overflow', code: 'E_TENSOR_BOUNDS', detail, byteOffset: dataOffset });
    return;
  }
  if (itemBytes === undefined) return;
  const held = fileBytes - dataOffset;
  if (needed > held) {
    const detail = `the array needs ${needed} bytes, ${held} follow`;
    sink({ problem: 'tensor-bounds', code: 'E_TENSOR_BOUNDS', detail, byteOffset: dataOffset });
  } else if (needed < held) {
    const byteOffset = dataOffset + needed;
    const detail = `${held - needed} bytes follow the array`;
    sink({
      problem: 'trailing-bytes',
      code: 'E_TENSOR_BOUNDS',
      detail,
      byteOffset,
      byteLength: held - needed,
    });
  }
}
