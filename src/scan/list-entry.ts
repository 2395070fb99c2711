/** One target of a long list as one line of JSON (`narrowfire/list/v1`): the verdict and what led to it, no bulk. */
import type { SerializedError } from '../errors.ts';
import type { Location, NotCovered } from '../evidence/evidence.ts';
import type { Level, TargetResult, Verdict } from '../finding/finding.ts';

export interface ListFinding {
  readonly ruleId: string;
  readonly ruleName: string;
  readonly level: Level;
  readonly path: string;
  readonly message: string;
  readonly fingerprint: string;
  readonly location?: Location;
}

export interface ListEntry {
  readonly schema: 'narrowfire/list/v1';
  /** 0-based among the targets of the list. */
  readonly index: number;
  /** As the list has it. */
  readonly target: string;
  readonly verdict: Verdict;
  readonly findings: readonly ListFinding[];
  readonly notCoveredCount: number;
  /** The first few. */
  readonly notCovered: readonly NotCovered[];
  readonly errors: readonly SerializedError[];
}

const MAX_NOT_COVERED = 5;
const MAX_FINDINGS = 200;

export function listEntry(index: number, target: string, result: TargetResult): ListEntry {
  return {
    schema: 'narrowfire/list/v1',
    index,
    target,
    verdict: result.verdict,
    findings: result.findings.slice(0, MAX_FINDINGS).map((finding) => ({
      ruleId: finding.ruleId,
      ruleName: finding.ruleName,
      level: finding.level,
      path: finding.path,
      message: finding.message,
      fingerprint: finding.fingerprint,
      ...(finding.location !== undefined && { location: finding.location }),
    })),
    notCoveredCount: result.coverage.notCovered.length,
    notCovered: result.coverage.notCovered.slice(0, MAX_NOT_COVERED),
    errors: result.errors,
  };
}

/** A target whose scan itself failed: never a pass. */
export function failedEntry(index: number, target: string, error: SerializedError): ListEntry {
  return {
    schema: 'narrowfire/list/v1',
    index,
    target,
    verdict: 'incomplete',
    findings: [],
    notCoveredCount: 0,
    notCovered: [],
    errors: [error],
  };
}
