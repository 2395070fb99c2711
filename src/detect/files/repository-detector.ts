/**
 * The contract for facts that need more than one file: a detector gets the inventory of a walked folder and may
 * read small files of it. Like file detectors they are synchronous and pure; `MissingRange` passes through.
 */
import type { ByteSource } from '../../artifact/byte-source.ts';
import type { JsonDocument } from '../../artifact/json.ts';
import type { LeavingLink } from '../../artifact/repository.ts';
import type { NotCovered } from '../../evidence/evidence.ts';
import type { FileEvidence } from '../../evidence/file.ts';

export interface RepositoryFile {
  /** POSIX path below the target's root. */
  readonly relative: string;
  readonly byteLength: number;
  readonly hardLinked?: boolean;
}

export interface JsonFile {
  readonly bytes: Uint8Array;
  readonly document: JsonDocument;
}

export interface Repository {
  readonly files: readonly RepositoryFile[];
  readonly leavingLinks: readonly LeavingLink[];
  /** One file was given: that the files beside it are not here says nothing. */
  readonly alone: boolean;
  /** The path that evidence carries for a file: target name and relative path. */
  pathOf(relative: string): string;
  has(relative: string): boolean;
  /** Relative paths of all files with this base name, in order. */
  named(baseName: string | RegExp): readonly string[];
  /** Runs `work` on the open file; undefined when it is absent or its bytes cannot be read that way. */
  use<Result>(relative: string, work: (source: ByteSource) => Result): Result | undefined;
  /** The whole file; undefined when it is absent, not readable, or larger than `maxBytes`. */
  read(relative: string, maxBytes: number): Uint8Array | undefined;
  /** Parsed once and kept; undefined when absent, too large or broken (the file detectors report that). */
  json(relative: string): JsonFile | undefined;
  list(name: string): ReadonlySet<string>;
}

export interface RepositoryReport {
  evidence(fact: FileEvidence): void;
  notCovered(item: NotCovered): void;
}

export interface RepositoryDetector {
  readonly name: string;
  inspect(repository: Repository, report: RepositoryReport): void;
}

/** Opens a walked file by its relative path. */
export type OpenFile = (relative: string) => ByteSource & Partial<Disposable>;
