/** Baselines: what an earlier scan found, so that only new findings fail the next one. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ScanError, toScanError } from '../errors.ts';
import type { Finding, Fingerprint, Level, RuleId, ScanResult } from '../finding/finding.ts';
import { compareFindings, compareText } from './evaluate.ts';
import type { Baseline, KnownFinding } from './policy.ts';

const SCHEMA = 'narrowfire/baseline/v1';

const level = z.enum(['error', 'warning', 'note']);

const known = z.object({
  fingerprint: z.string(),
  ruleId: z.string(),
  ruleName: z.string(),
  level,
  path: z.string(),
  message: z.string(),
});

const baselineFile = z.object({ schema: z.literal(SCHEMA), findings: z.array(known) });

const resultFile = z.object({
  schema: z.literal('narrowfire/result/v1'),
  targets: z.array(z.object({ findings: z.array(known) })),
});

const sarifFile = z.object({
  version: z.literal('2.1.0'),
  runs: z.array(
    z.object({
      results: z
        .array(
          z.object({
            ruleId: z.string(),
            level: z.enum(['error', 'warning', 'note', 'none']).optional(),
            message: z.object({ text: z.string() }),
            partialFingerprints: z.record(z.string(), z.string()).optional(),
            properties: z.record(z.string(), z.unknown()).optional(),
          }),
        )
        .optional(),
    }),
  ),
});

const SEVERITY: Readonly<Record<Level, number>> = { note: 0, warning: 1, error: 2 };

function fromSarif(file: z.infer<typeof sarifFile>): readonly z.infer<typeof known>[] {
  return file.runs.flatMap((run) =>
    (run.results ?? []).flatMap((result) => {
      const fingerprint = result.partialFingerprints?.['narrowfire/v1'];
      if (fingerprint === undefined || result.level === 'none') return [];
      const path = result.properties?.['narrowfire/path'];
      const name = result.properties?.['narrowfire/ruleName'];
      return {
        fingerprint,
        ruleId: result.ruleId,
        ruleName: typeof name === 'string' ? name : result.ruleId,
        level: result.level ?? 'warning',
        path: typeof path === 'string' ? path : '',
        message: result.message.text,
      };
    }),
  );
}

/** The text of a baseline file for a result; suppressed findings stay suppressed and are left out. */
export function formatBaseline(result: ScanResult): string {
  const findings = result.targets
    .flatMap((target) => target.findings)
    .filter((finding) => finding.suppression === undefined && finding.baselineState !== 'absent')
    .map(({ fingerprint, ruleId, ruleName, level: at, path, message }) => {
      return { fingerprint, ruleId, ruleName, level: at, path, message };
    })
    .toSorted((a, b) => compareText(a.fingerprint, b.fingerprint));
  return `${JSON.stringify({ schema: SCHEMA, findings }, null, 1)}\n`;
}

/** Reads a baseline file, a stored result, or SARIF of this tool. @throws ScanError `E_CONFIG`. */
export function readBaseline(file: string): Baseline {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError)
      throw new ScanError('E_CONFIG', 'baseline: not JSON', { file });
    throw new ScanError('E_CONFIG', `baseline: ${toScanError(error).message}`, { file });
  }
  const findings = findingsOf(value);
  if (findings === undefined) {
    throw new ScanError('E_CONFIG', 'neither a baseline, a result nor SARIF', {
      file,
      hint: 'Write one with narrowfire baseline RESULT.json.',
    });
  }
  return new Map(
    findings.map((entry) => [
      entry.fingerprint as Fingerprint,
      { ...entry, fingerprint: entry.fingerprint as Fingerprint, ruleId: entry.ruleId as RuleId },
    ]),
  );
}

function findingsOf(value: unknown): readonly z.infer<typeof known>[] | undefined {
  const own = baselineFile.safeParse(value);
  if (own.success) return own.data.findings;
  const result = resultFile.safeParse(value);
  if (result.success) return result.data.targets.flatMap((target) => target.findings);
  const sarif = sarifFile.safeParse(value);
  return sarif.success ? fromSarif(sarif.data) : undefined;
}

/**
 * Marks findings as `new`, `unchanged`, or `updated` (known, but at a lower level), and adds the known ones of
 * this target that are gone as `absent`.
 */
export function applyBaseline(
  findings: readonly Finding[],
  baseline: Baseline,
  targetName: string,
): readonly Finding[] {
  const marked = findings.map((finding): Finding => {
    const before = baseline.get(finding.fingerprint);
    if (before === undefined) return { ...finding, baselineState: 'new' };
    const rose = SEVERITY[finding.level] > SEVERITY[before.level];
    return { ...finding, baselineState: rose ? 'updated' : 'unchanged' };
  });
  const present = new Set(findings.map((finding) => finding.fingerprint));
  const absent = [...baseline.values()]
    .filter((entry) => !present.has(entry.fingerprint) && isUnder(entry, targetName))
    .map((entry): Finding => ({ ...entry, evidence: [], taxa: [], baselineState: 'absent' }));
  return [...marked, ...absent].toSorted(compareFindings);
}

function isUnder(entry: KnownFinding, targetName: string): boolean {
  return entry.path === targetName || entry.path.startsWith(`${targetName}/`);
}
