/** A verdict in one sentence: what it says, and what it does not. */
import type { Finding, TargetResult } from '../finding/finding.ts';

/** Findings that are neither accepted nor gone. */
export function activeFindings(target: TargetResult): readonly Finding[] {
  return target.findings.filter(
    (finding) => finding.suppression === undefined && finding.baselineState !== 'absent',
  );
}

export function needsLook(target: TargetResult): boolean {
  return target.verdict === 'pass' && activeFindings(target).some(({ level }) => level !== 'note');
}

export function meaningOf(target: TargetResult): string {
  switch (target.verdict) {
    case 'fail':
      return 'Do not use this model without an answer to what was found.';
    case 'incomplete':
      return target.kind === 'missing'
        ? 'There was nothing to look at.'
        : 'Something that should have been looked at could not be. There is no answer yet.';
    case 'pass':
      return needsLook(target)
        ? 'Nothing was found at the level that fails, but a person must look at what was found.'
        : 'The stages that ran found nothing that fails. That is not a proof that nothing is there.';
  }
}
