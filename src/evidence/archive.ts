/** Facts of containers and of file identity: what the bytes are, and where archive readers disagree. */
import type { EvidenceBase } from './evidence.ts';

/** The content is not what the file's name says. */
export interface FormatMismatch extends EvidenceBase<'format-mismatch'> {
  readonly extension: string;
  /** Formats that the extension stands for. */
  readonly expected: readonly string[];
  readonly actual: string;
}

/** One file that two kinds of reader can load. */
export interface PolyglotFile extends EvidenceBase<'polyglot-file'> {
  readonly first: string;
  readonly second: string;
}

export type ArchiveProblem =
  | 'climbing-name'
  | 'absolute-name'
  | 'odd-name'
  | 'link-leaves'
  | 'link'
  | 'device'
  | 'duplicate-name'
  | 'headers-disagree'
  | 'not-in-directory'
  | 'false-flags'
  | 'wrong-checksum'
  | 'overlapping-members'
  | 'bomb'
  | 'encrypted'
  | 'hidden-data';

/** An archive member that lies, leaves, hides, or explodes. */
export interface ArchiveAnomaly extends EvidenceBase<'archive-anomaly'> {
  readonly format: string;
  readonly problem: ArchiveProblem;
  readonly name: string;
  readonly detail: string;
  readonly occurrences: number;
}

export type ArchiveEvidence = FormatMismatch | PolyglotFile | ArchiveAnomaly;
