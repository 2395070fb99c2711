/**
 * Findings and coverage to a verdict and an exit code. There is no "clean": `pass` means that the stages
 * that ran found nothing, and `incomplete` that something asked for could not be looked at.
 */
import { ERROR_CODES, type SerializedError } from '../errors.ts';
import type { NotCovered } from '../evidence/evidence.ts';
import { EXIT, type ExitCode } from '../finding/exit-code.ts';
import type { Coverage, Finding, Level, TargetResult, Verdict } from '../finding/finding.ts';

export type FailOn = Level | 'none';

const SEVERITY: Readonly<Record<Level, number>> = { note: 1, warning: 2, error: 3 };

/** Whether a finding counts against the verdict: not suppressed, not gone, and at or above the level. */
export function counts(finding: Finding, failOn: FailOn): boolean {
  if (finding.suppression !== undefined) return false;
  if (finding.baselineState === 'unchanged' || finding.baselineState === 'absent') return false;
  return SEVERITY[finding.level] >= SEVERITY[failOn === 'none' ? 'error' : failOn];
}

/**
 * A "not covered" line whose reason starts with an error code names something that should have been read and
 * was not. A line without a code states a limit of the method, which every scan has.
 */
export function isGap(item: NotCovered): boolean {
  const code = /^E_[A-Z_]+/.exec(item.why)?.[0];
  return code !== undefined && Object.hasOwn(ERROR_CODES, code);
}

/** A scan in which no stage came to its end has looked at nothing. */
export function isIncomplete(coverage: Coverage, errors: readonly SerializedError[]): boolean {
  return (
    errors.length > 0 ||
    !coverage.stages.some((stage) => stage.status === 'done') ||
    coverage.stages.some((stage) => stage.status === 'incomplete') ||
    coverage.notCovered.some(isGap)
  );
}

/** With `failOn: none` the verdict still says `fail` for an error; only the exit code forgives it. */
export function targetVerdict(
  findings: readonly Finding[],
  coverage: Coverage,
  errors: readonly SerializedError[],
  failOn: FailOn,
): Verdict {
  if (findings.some((finding) => counts(finding, failOn))) return 'fail';
  return isIncomplete(coverage, errors) ? 'incomplete' : 'pass';
}

/** The worst of the targets' verdicts: fail, then incomplete, then pass. */
export function overallVerdict(targets: readonly Pick<TargetResult, 'verdict'>[]): Verdict {
  if (targets.some((target) => target.verdict === 'fail')) return 'fail';
  if (targets.some((target) => target.verdict === 'incomplete')) return 'incomplete';
  return 'pass';
}

/** A target that is not there, or that holds no artifact. */
function isNothing(target: TargetResult): boolean {
  return (
    target.findings.length === 0 &&
    target.errors.some(
      // In a target that is there, something else was not found: a corpus, a base.
      ({ code }) =>
        code === 'E_NOTHING_TO_SCAN' || (code === 'E_NOT_FOUND' && target.kind === 'missing'),
    )
  );
}

/**
 * `failOn: none` forgives findings, never an incomplete scan: a gate that reads 0 for a scan that did not
 * happen is the worst failure.
 */
export function exitCodeOf(targets: readonly TargetResult[], failOn: FailOn): ExitCode {
  if (targets.every(isNothing)) return EXIT.nothingToScan;
  const verdict = overallVerdict(targets);
  if (verdict === 'fail' && failOn !== 'none') return EXIT.findings;
  const incomplete = targets.some((target) => isIncomplete(target.coverage, target.errors));
  return incomplete ? EXIT.incomplete : EXIT.ok;
}
