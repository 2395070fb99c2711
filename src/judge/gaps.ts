/**
 * Facts that mean that a file was not read to its end. Bad bytes are evidence, and they are also a gap: what stands
 * behind the point where reading stopped was not looked at, so the scan of that file is incomplete.
 */
import type { Evidence, NotCovered } from '../evidence/evidence.ts';

export function gapsOf(evidence: readonly Evidence[]): readonly NotCovered[] {
  return evidence.flatMap((fact): NotCovered[] => {
    const member = fact.location?.member;
    const what = member === undefined ? fact.path : `${fact.path}!/${member}`;
    if (fact.kind === 'malformed-file') return [{ what, why: `${fact.code}: ${fact.problem}` }];
    if (fact.kind === 'format-mismatch' && fact.actual === 'unknown') {
      const promised = fact.expected.join(' or ');
      return [
        {
          what,
          why: `E_FORMAT: the name promises ${promised}, the content is no format known here`,
        },
      ];
    }
    return [];
  });
}
