/** What a run leaves behind: reports, annotations, the job summary and the step's outputs. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { basename, join } from 'node:path';
import { writeOutputs } from '../cli/outputs.ts';
import { DEFAULT_MAX_RESULTS } from '../cli/settings.ts';
import { ScanError } from '../errors.ts';
import type { Level, ScanResult } from '../finding/finding.ts';
import { loadRules } from '../judge/load-rules.ts';
import { loadTaxonomies } from '../judge/taxonomy.ts';
import { FORMATS } from '../report/formats.ts';
import { inert, renderMarkdown } from '../report/markdown.ts';
import { activeFindings } from '../report/meaning.ts';
import type { ReportContext } from '../report/report.ts';
import type { WorkflowEvent } from './event.ts';
import type { Environment, Inputs } from './inputs.ts';
import type { ActionSettings } from './settings.ts';
import type { Staged } from './staging.ts';
import { appendSummary } from './workflow-commands.ts';

/** The oid line: a changed pointer keeps its first line, and GitHub shows an alert only on changed lines. */
const POINTER_ANCHOR_LINE = 2;

export interface RunRecord {
  readonly inputs: Inputs;
  readonly settings: ActionSettings;
  readonly event: WorkflowEvent;
  readonly workspace: string;
  readonly folder: string;
  readonly result: ScanResult;
  readonly staged: readonly Staged[];
  readonly cached: number;
  readonly newVerdicts: number;
  readonly notices: readonly string[];
}

function anchorLines({ staged, workspace }: RunRecord): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  for (const { target, pointers } of staged) {
    // Reports name a file from its target's parent on.
    const name = target.path === '.' ? basename(workspace) : basename(target.path);
    for (const { path } of pointers) {
      const below = target.path === '.' ? `/${path}` : path.slice(target.path.length);
      lines.set(`${name}${below}`, POINTER_ANCHOR_LINE);
    }
  }
  return lines;
}

function contextOf(record: RunRecord): ReportContext {
  const { settings, inputs, workspace } = record;
  const overrides = settings.config?.rules;
  return {
    rules: loadRules({
      folders: settings.ruleFolders,
      ...(overrides !== undefined && { overrides }),
    }),
    taxonomies: loadTaxonomies(),
    sarifProfile: 'github',
    maxResults: settings.config?.maxResults ?? DEFAULT_MAX_RESULTS,
    category: inputs.category,
    sourceRoot: workspace,
    anchorLines: anchorLines(record),
    showSuppressed: false,
    color: false,
    width: 100,
  };
}

function* summaryOf(record: RunRecord): Iterable<string> {
  const { result, notices, event, inputs } = record;
  if (result.targets.length === 0) {
    yield '# narrowfire\n\nNo model to look at: nothing was scanned, and nothing is said about any model.\n';
  } else yield* renderMarkdown(result);
  for (const notice of notices) yield `\n- ${inert(notice, 500)}`;
  if (record.cached > 0) yield `\n- verdicts known from an earlier run: ${record.cached}`;
  if (inputs.upload && event.readOnlyToken) {
    yield '\n- this pull request has a read-only token: the SARIF file is an artifact of the run, and not in code scanning';
  }
  yield '\n';
}

const ORDER: readonly Level[] = ['error', 'warning', 'note'];

/** @returns the step's outputs. */
export function reportRun(
  record: RunRecord,
  env: Environment,
  stdout: (text: string) => void,
): Readonly<Record<string, string>> {
  const { result, inputs, event, staged } = record;
  const context = contextOf(record);
  const reports = join(record.folder, 'reports');
  mkdirSync(reports, { recursive: true });
  const summary = [...summaryOf(record)].join('');
  const problems: string[] = [];
  const io = {
    ...{ stdout, stderr: (text: string) => void problems.push(text), env, cwd: record.workspace },
    ...{ stdoutIsTty: false, stderrIsTty: false, columns: 100, now: () => '' },
  };
  const sarif = join(reports, 'narrowfire.sarif');
  const json = join(reports, 'narrowfire.json');
  const outputs = [
    { format: 'sarif', file: sarif },
    { format: 'json', file: json },
    { format: 'html', file: join(reports, 'narrowfire.html') },
  ] as const;
  if (writeOutputs(result, outputs, context, io) > 0) {
    throw new ScanError('E_OUTPUT', problems.join(' ').trim(), { file: reports });
  }
  if (inputs.annotations) for (const line of FORMATS.github(result, context)) stdout(line);
  if (inputs.summary) appendSummary(env['GITHUB_STEP_SUMMARY'], summary);

  const active = result.targets.flatMap(activeFindings);
  const isNew = active.filter(
    ({ baselineState }) => baselineState !== 'unchanged' && baselineState !== 'absent',
  );
  const highest = ORDER.find((level) => active.some((finding) => finding.level === level));
  const uploads = inputs.upload && !event.readOnlyToken;
  return {
    verdict: result.targets.length === 0 ? 'none' : result.verdict,
    'exit-code': String(result.exitCode),
    findings: String(active.length),
    'new-findings': String(isNew.length),
    'highest-severity': highest ?? 'none',
    'scanned-models': String(staged.length - record.cached),
    'cached-models': String(record.cached),
    'skipped-files': String(result.targets.flatMap(({ errors }) => errors).length),
    'sarif-file': sarif,
    'report-json': json,
    reports,
    upload: String(uploads),
    artifact: String(inputs.upload && !uploads),
    'new-verdicts': String(inputs.cache && record.newVerdicts > 0),
    // upload-sarif reads every file that a result names; under an empty folder it finds none of the weights.
    'upload-checkout': uploads ? mkdtempSync(join(record.workspace, '.narrowfire-upload-')) : '',
  };
}
