/**
 * Every error a user can meet has a stable code, says which file and byte it concerns, and what to do.
 * Parsers and stages throw `ScanError`; the stage runner turns it into a finding or a "not covered" line,
 * so one bad file never ends a scan.
 */

/** Stable codes. Add one here and in `docs/errors.md`; never reuse or rename. */
export const ERROR_CODES = {
  E_USAGE: 'the command line or an option is wrong',
  E_CONFIG: 'a configuration file is wrong',
  E_NOT_FOUND: 'a path does not exist',
  E_NOTHING_TO_SCAN: 'no model artifact matched',
  E_NOT_REGULAR: 'a path is not a regular file (pipe, socket, device)',
  E_OUTSIDE: 'a link or path leaves the model folder',
  E_IO: 'the operating system refused a read or write',
  E_OUTPUT: 'a report could not be written',
  E_TRUNCATED: 'a file ends before its own lengths say it should',
  E_CHANGED: 'a file changed while it was scanned',
  E_LIMIT: 'a size, count or depth limit was reached',
  E_FORMAT: 'bytes do not follow the format',
  E_TENSOR_BOUNDS: 'a tensor lies outside its file or overlaps another',
  E_TENSOR_SHAPE: 'a tensor contradicts config.json',
  E_TENSOR_MISSING: 'a tensor that the architecture needs is absent',
  E_TENSOR_VALUES: 'weights hold NaN or infinite values',
  E_DTYPE: 'a tensor type is not supported here',
  E_ARCHITECTURE: 'the model architecture is not known',
  E_MODEL_CONFIG: 'config.json is unreadable or contradicts itself',
  E_TOKENIZER: 'the tokenizer cannot be read or does not fit the model',
  E_CORPUS: 'a probe corpus is unreadable or empty',
  E_SAE: 'a sparse autoencoder is unreadable or does not fit this model',
  E_ENGINE: 'the inference engine refused a graph or a run',
  E_DEVICE: 'the requested device is not available',
  E_WORKER: 'a worker process or thread died',
  E_TIMEOUT: 'a time limit was reached',
  E_INTERRUPTED: 'the user interrupted the scan',
  E_NETWORK: 'a remote target could not be read',
  E_RULE: 'a rule file is wrong',
  E_INTERNAL: 'a defect in narrowfire',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ScanErrorDetail {
  /** Path of the file concerned, as the user would type it. */
  readonly file?: string;
  /** Absolute offset in that file. */
  readonly byteOffset?: number;
  /** What the user can do about it, as an imperative sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The only error class that crosses module borders. */
export class ScanError extends Error {
  readonly code: ErrorCode;
  readonly file: string | undefined;
  readonly byteOffset: number | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, detail: ScanErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'ScanError';
    this.code = code;
    this.file = detail.file;
    this.byteOffset = detail.byteOffset;
    this.hint = detail.hint;
  }

  /** Adds the file to an error raised by a reader that only knew bytes. */
  inFile(file: string): ScanError {
    if (this.file !== undefined) return this;
    return new ScanError(this.code, this.message, {
      file,
      ...(this.byteOffset !== undefined && { byteOffset: this.byteOffset }),
      ...(this.hint !== undefined && { hint: this.hint }),
      cause: this.cause,
    });
  }
}

/** Plain form for worker and process borders, and for SARIF notifications. */
export interface SerializedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly file?: string;
  readonly byteOffset?: number;
  readonly hint?: string;
}

/** Narrows anything thrown to a `ScanError`; unknown throwables become `E_INTERNAL`, file system ones `E_IO`. */
export function toScanError(thrown: unknown, file?: string): ScanError {
  if (thrown instanceof ScanError) return file === undefined ? thrown : thrown.inFile(file);
  const detail = { cause: thrown, ...(file !== undefined && { file }) };
  if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string') {
    if (thrown.code === 'ENOENT')
      return new ScanError('E_NOT_FOUND', 'no such file or folder', detail);
    if (/^E[A-Z]+$/.test(thrown.code)) return new ScanError('E_IO', thrown.message, detail);
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ScanError('E_INTERNAL', message, detail);
}

export function serializeError(error: ScanError): SerializedError {
  return {
    code: error.code,
    message: error.message,
    ...(error.file !== undefined && { file: error.file }),
    ...(error.byteOffset !== undefined && { byteOffset: error.byteOffset }),
    ...(error.hint !== undefined && { hint: error.hint }),
  };
}

export function deserializeError(plain: SerializedError): ScanError {
  return new ScanError(plain.code, plain.message, plain);
}

/** File names and keys come from artifacts: nothing in them may move a cursor or turn the reading direction. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** One line: `E_TRUNCATED model.safetensors @ byte 8: header says 900 bytes, 12 are left. Fetch the file again.` */
export function formatError(error: ScanError | SerializedError): string {
  const where = error.file === undefined ? '' : ` ${error.file}`;
  const at = error.byteOffset === undefined ? '' : ` @ byte ${error.byteOffset}`;
  const hint = error.hint === undefined ? '' : ` ${error.hint}`;
  const text = `${error.code}${where}${at}: ${error.message}.${hint}`;
  return text
    .replaceAll(/[\r\n]+/g, ' ')
    .replaceAll(UNSAFE, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace(/\.\.(?=\s|$)/, '.');
}
