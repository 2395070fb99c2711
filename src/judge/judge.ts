/** One target's stages to one target's result: evidence, rules and policy in; findings and a verdict out. */
import { formatError, type SerializedError } from '../errors.ts';
import type { CoverageGap } from '../evidence/coverage.ts';
import type { Evidence, NotCovered } from '../evidence/evidence.ts';
import type { ArtifactFile, Cost, Sha256, StageReport, TargetResult } from '../finding/finding.ts';
import { type AppliedCalibration, withheldBy } from './apply-calibration.ts';
import { applyBaseline } from './baseline.ts';
import { compareText, evaluate } from './evaluate.ts';
import { gapsOf } from './gaps.ts';
import { applyIgnores } from './ignore.ts';
import type { Policy } from './policy.ts';
import type { Rule } from './rule.ts';
import { isGap, targetVerdict } from './verdict.ts';

/** Everything that the stages of one target left behind. */
export interface JudgeInput {
  /** As given on the command line. */
  readonly path: string;
  /** First segment of every path in evidence. */
  readonly name: string;
  readonly kind: string;
  readonly sha256?: Sha256;
  readonly evidence: readonly Evidence[];
  readonly notCovered: readonly NotCovered[];
  readonly errors: readonly SerializedError[];
  readonly stages: readonly StageReport[];
  readonly cost: Cost;
  readonly files?: readonly ArtifactFile[];
}

function uniqueSorted(items: readonly NotCovered[]): readonly NotCovered[] {
  const byKey = new Map(items.map((item) => [JSON.stringify([item.what, item.why]), item]));
  return [...byKey.values()].toSorted(
    (a, b) => compareText(a.what, b.what) || compareText(a.why, b.why),
  );
}

/** Two stages that read the same broken file tell the same. */
function uniqueErrors(errors: readonly SerializedError[]): readonly SerializedError[] {
  return [...new Map(errors.map((error) => [formatError(error), error])).values()];
}

/** A calibration that was asked for and does not fit is told wherever coverage is. */
function unusedCalibration(calibration: AppliedCalibration | undefined): NotCovered[] {
  const report = calibration?.report;
  if (report === undefined || report.models > 0) return [];
  const why = `${report.notApplied.join(' ')} The shipped thresholds hold.`;
  return [{ what: `calibration ${JSON.stringify(report.name)}`, why }];
}

/** @param calibration its rules judge in place of `rules` */
export function judge(
  input: JudgeInput,
  rules: readonly Rule[],
  policy: Policy,
  calibration?: AppliedCalibration,
): TargetResult {
  const notCovered = uniqueSorted([
    ...input.notCovered,
    ...gapsOf(input.evidence),
    ...unusedCalibration(calibration),
  ]);
  const gaps = notCovered.map(
    (item): CoverageGap => ({
      kind: 'coverage-gap',
      path: input.name,
      what: item.what,
      why: item.why,
      failed: isGap(item),
    }),
  );
  const facts = [...input.evidence, ...gaps];
  const { findings: raw, errors: ruleErrors } = evaluate(facts, calibration?.rules ?? rules);
  const judged = calibration === undefined ? raw : raw.map((one) => calibration.mark(one));
  const compared =
    policy.baseline === undefined ? judged : applyBaseline(judged, policy.baseline, input.name);
  const findings = applyIgnores(compared, policy.ignores, input.files ?? [], policy.today);
  const errors = uniqueErrors([...input.errors, ...ruleErrors]);
  const coverage = { stages: input.stages, notCovered };
  return {
    path: input.path,
    kind: input.kind,
    ...(input.sha256 !== undefined && { sha256: input.sha256 }),
    verdict: targetVerdict(findings, coverage, errors, policy.failOn),
    findings,
    coverage,
    cost: input.cost,
    errors,
    ...(input.files !== undefined && { files: input.files }),
    ...(calibration !== undefined && {
      calibration: {
        ...calibration.report,
        withheld: withheldBy(calibration, evaluate(facts, rules).findings, raw),
      },
    }),
  };
}
