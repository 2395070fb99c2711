/** What a scan did not look at, as evidence, so that rules can speak about it. */
import type { EvidenceBase } from './evidence.ts';

export interface CoverageGap extends EvidenceBase<'coverage-gap'> {
  readonly what: string;
  readonly why: string;
  /** Whether it should have been read and could not be (an error), as against a limit of the method. */
  readonly failed: boolean;
}
