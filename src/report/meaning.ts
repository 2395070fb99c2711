/** A verdict in one sentence: what it says, and what it does not. */
import type { Finding, TargetResult } from '../finding/finding.ts';

/** Findings that are neither accepted nor gone. */
export function activeFindings(target: TargetResult): readonly Finding[] {
  return target.findings.filter(
    (finding) => finding.suppression === undefined && finding.baselineState !== 'absent',
  );
}

/** Whether a calibration took away what the shipped thresholds would have shown as more than a note. */
function withholds({ calibration }: TargetResult): boolean {
  return calibration?.withheld.some(({ level }) => level !== 'note') === true;
}

export function needsLook(target: TargetResult): boolean {
  if (target.verdict !== 'pass') return false;
  return withholds(target) || activeFindings(target).some(({ level }) => level !== 'note');
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
      if (withholds(target)) {
        return 'Nothing was found at the level that fails, but a person must look at what the calibration withheld.';
      }
      return needsLook(target)
        ? 'Nothing was found at the level that fails, but a person must look at what was found.'
        : 'The stages that ran found nothing that fails. That is not a proof that nothing is there.';
  }
}
