/** Facts of stage 0: bytes, headers and text of the files, read without running anything. */
import type { ArchiveEvidence } from './archive.ts';
import type { EvidenceBase } from './evidence.ts';
import type { FormatEvidence } from './format.ts';
import type { PickleEvidence } from './pickle.ts';
import type { RepositoryEvidence } from './repository.ts';
import type { TemplateEvidence } from './template.ts';
import type { TokenizerEvidence } from './tokenizer.ts';

/** A file whose bytes break its own format, with the reader's error. */
export interface MalformedFile extends EvidenceBase<'malformed-file'> {
  readonly format: string;
  readonly code: string;
  readonly problem: string;
}

export type FileEvidence =
  | MalformedFile
  | ArchiveEvidence
  | PickleEvidence
  | FormatEvidence
  | RepositoryEvidence
  | TemplateEvidence
  | TokenizerEvidence;
