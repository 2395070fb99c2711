/** Results of several scans as one: targets side by side; parts of one target joined. */
import { ScanError } from '../errors.ts';
import type { ScanResult, StageReport, TargetResult } from '../finding/finding.ts';
import { compareFindings, compareText } from './evaluate.ts';
import { exitCodeOf, overallVerdict, targetVerdict } from './verdict.ts';

/** The least of both: a stage is done when every part of it is. */
const STATUS_ORDER = { incomplete: 0, skipped: 1, done: 2 } as const;

function mergeStages(all: readonly StageReport[]): readonly StageReport[] {
  const byName = new Map<string, StageReport>();
  for (const stage of all) {
    const before = byName.get(stage.stage);
    if (before === undefined) {
      byName.set(stage.stage, stage);
      continue;
    }
    const tokens = (before.tokens ?? 0) + (stage.tokens ?? 0);
    const worse = STATUS_ORDER[stage.status] < STATUS_ORDER[before.status] ? stage : before;
    byName.set(stage.stage, { ...worse, ...(tokens > 0 && { tokens }) });
  }
  return [...byName.values()];
}

function unique<Item>(items: readonly Item[], key: (item: Item) => string): readonly Item[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}

function mergeTarget(
  parts: readonly [TargetResult, ...TargetResult[]],
  failOn: NonNullable<ScanResult['failOn']>,
): TargetResult {
  const [first, ...others] = parts;
  if (others.length === 0) return first;
  const findings = unique(
    parts.flatMap((part) => part.findings),
    (finding) => finding.fingerprint,
  ).toSorted(compareFindings);
  const coverage = {
    stages: mergeStages(parts.flatMap((part) => part.coverage.stages)),
    notCovered: unique(
      parts.flatMap((part) => part.coverage.notCovered),
      ({ what, why }) => JSON.stringify([what, why]),
    ).toSorted((a, b) => compareText(a.what, b.what) || compareText(a.why, b.why)),
  };
  const errors = unique(
    parts.flatMap((part) => part.errors),
    (error) => JSON.stringify(error),
  );
  const files = unique(
    parts.flatMap((part) => part.files ?? []),
    ({ path }) => path,
  ).toSorted((a, b) => compareText(a.path, b.path));
  return {
    ...first,
    verdict: targetVerdict(findings, coverage, errors, failOn),
    findings,
    coverage,
    errors,
    cost: { ...first.cost, tokens: parts.reduce((sum, part) => sum + part.cost.tokens, 0) },
    ...(files.length > 0 && { files }),
  };
}

/**
 * Joins results. Parts with the same path and digest are shards of one target.
 * @throws ScanError `E_USAGE` when they fail at different levels.
 */
export function mergeResults(results: readonly ScanResult[]): ScanResult {
  const [first] = results;
  if (first === undefined) throw new ScanError('E_USAGE', 'there is nothing to merge');
  const levels = new Set(results.map((result) => result.failOn ?? 'error'));
  if (levels.size > 1) {
    throw new ScanError('E_USAGE', `results fail at different levels: ${[...levels].join(', ')}`);
  }
  const failOn = first.failOn ?? 'error';
  const groups = new Map<string, [TargetResult, ...TargetResult[]]>();
  for (const target of results.flatMap((result) => result.targets)) {
    const key = JSON.stringify([target.path, target.sha256 ?? null]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [target]);
    else group.push(target);
  }
  const targets = [...groups.values()].map((parts) => mergeTarget(parts, failOn));
  const redaction = results.find((result) => result.redaction !== undefined)?.redaction;
  const bases = unique(
    results.flatMap(({ calibration }) => calibration ?? []),
    (calibration) => JSON.stringify(calibration),
  );
  const [calibration] = bases.length === 1 ? bases : [];
  return {
    schema: first.schema,
    tool: first.tool,
    verdict: overallVerdict(targets),
    exitCode: exitCodeOf(targets, failOn),
    failOn,
    ...(redaction !== undefined && { redaction }),
    ...(calibration !== undefined && { calibration }),
    targets,
  };
}
