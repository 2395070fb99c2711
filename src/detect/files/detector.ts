/**
 * The contract of the file stage: a detector looks at one byte source whose format was recognised by content
 * and reports evidence, what it could not cover, and the sources it found inside.
 *
 * Detectors are synchronous and pure over their subject. A throw of `ScanError` becomes a `malformed-file`
 * fact with its code and offset, after everything reported before the throw is kept; `MissingRange` passes
 * through so that a remote driver can fetch and restart.
 */
import type { ByteSource } from '../../artifact/byte-source.ts';
import type { NotCovered } from '../../evidence/evidence.ts';
import type { FileEvidence } from '../../evidence/file.ts';

/** Limits for one outermost file and everything nested in it. */
export interface FileBudget {
  /** Monotonic deadline, `performance.now()` milliseconds. */
  readonly deadlineMs: number;
  /** Bytes that may still be produced by decompression. Detectors spend it through `spend`. */
  spend(bytes: number): void;
  /** @throws ScanError `E_TIMEOUT` after the deadline, `E_LIMIT` when the byte budget is spent. */
  check(): void;
}

export interface FileSubject {
  /** POSIX path relative to the target's parent; what evidence carries. */
  readonly path: string;
  /** Path inside archives, joined with `!/`; absent for the outermost file. */
  readonly member?: string;
  readonly source: ByteSource;
  /** Recognised by content: `pickle`, `zip`, `safetensors`, `gguf`, `onnx`, `hdf5`, `json`, `unknown`, … */
  readonly format: string;
  /** Nesting depth, 0 for a file on disk. */
  readonly depth: number;
  readonly budget: FileBudget;
  /** Data lists that belong to rules, by `rule-name/list-name` (allow-lists, known gadgets). */
  list(name: string): ReadonlySet<string>;
}

export interface FileReport {
  evidence(fact: FileEvidence): void;
  notCovered(item: NotCovered): void;
  /** A source found inside (archive member, embedded pickle); it is recognised and dispatched like a file. */
  nested(member: string, source: ByteSource): void;
}

export interface FileDetector {
  readonly name: string;
  accepts(subject: FileSubject): boolean;
  inspect(subject: FileSubject, report: FileReport): void;
}
