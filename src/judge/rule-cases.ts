/**
 * Runs the cases of a rule: `cases/{positive|negative}-*.yaml` holds evidence and what to expect; any other
 * file or folder is scanned by the file stage and must, or must not, give a finding of the rule.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { formatError, ScanError, toScanError } from '../errors.ts';
import type { Evidence } from '../evidence/evidence.ts';
import { evaluate } from './evaluate.ts';
import type { Rule } from './rule.ts';
import { readYaml } from './yaml-source.ts';

const caseFile = z.strictObject({
  evidence: z.looseObject({ kind: z.string(), path: z.string() }),
  thresholds: z.record(z.string(), z.unknown()).optional(),
  expect: z.boolean(),
});

export interface CaseOutcome {
  readonly name: string;
  /** What is wrong; undefined when the case holds. */
  readonly problem?: string;
  readonly messages: readonly string[];
}

/** Gives the evidence that the file stage finds in a case file; supplied by the caller, so that rules need no reader. */
export type FileStageRunner = (path: string) => Promise<readonly Evidence[]>;

export async function runRuleCases(
  rule: Rule,
  fileStage?: FileStageRunner,
): Promise<readonly CaseOutcome[]> {
  const folder = join(rule.folder, 'cases');
  if (!existsSync(folder)) return [{ name: 'cases', problem: 'there are no cases', messages: [] }];
  const outcomes: CaseOutcome[] = [];
  for (const name of readdirSync(folder).toSorted()) {
    try {
      outcomes.push(await runCase(rule, join(folder, name), name, fileStage));
    } catch (error) {
      outcomes.push({ name, problem: formatError(toScanError(error)), messages: [] });
    }
  }
  return outcomes;
}

async function runCase(
  rule: Rule,
  path: string,
  name: string,
  fileStage: FileStageRunner | undefined,
): Promise<CaseOutcome> {
  const expected = name.startsWith('positive-');
  const isEvidence = name.endsWith('.yaml') && statSync(path).isFile();
  let evidence: readonly Evidence[];
  if (isEvidence) {
    const file = relative(process.cwd(), path);
    const { value } = readYaml(readFileSync(path, 'utf8'), file, caseFile, 'E_RULE');
    if (value.expect !== expected) {
      return { name, problem: `expects ${value.expect}, its name says ${expected}`, messages: [] };
    }
    if (value.evidence.kind !== rule.evidence) {
      return {
        name,
        problem: `is ${value.evidence.kind}, the rule reads ${rule.evidence}`,
        messages: [],
      };
    }
    evidence = [value.evidence as unknown as Evidence];
  } else {
    if (fileStage === undefined) {
      throw new ScanError('E_RULE', 'a file case needs the file stage', { file: name });
    }
    evidence = await fileStage(path);
  }
  const { findings, errors } = evaluate(evidence, [{ ...rule, enabled: true }]);
  const messages = findings.map((finding) => finding.message);
  const first = errors[0];
  if (first !== undefined) return { name, problem: first.message, messages };
  const found = findings.length > 0;
  if (found === expected) return { name, messages };
  return { name, problem: expected ? 'gave no finding' : 'gave a finding', messages };
}
