/** The GitHub Action: which models changed, what is known of them, fetch and scan the rest, report. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { exitCodeOfError } from '../cli/exit.ts';
import { formatError, ScanError, type SerializedError, toScanError } from '../errors.ts';
import { EXIT } from '../finding/exit-code.ts';
import type { ScanResult, TargetResult } from '../finding/finding.ts';
import { exitCodeOf, type FailOn, overallVerdict, targetVerdict } from '../judge/verdict.ts';
import { VERSION } from '../version.ts';
import { contentTest } from './candidates.ts';
import {
  type Changes,
  changesIn,
  type ModelTarget,
  rangeOf,
  selectModels,
} from './changed-models.ts';
import { gitEnvironment, scannerEnvironment } from './child-environment.ts';
import { readEvent, type WorkflowEvent } from './event.ts';
import { commitOf, type Git, readTree } from './git.ts';
import { type Environment, type Inputs, readInputs } from './inputs.ts';
import { hasGitLfs } from './lfs.ts';
import { reportRun } from './report-run.ts';
import { runScanner } from './scanner.ts';
import { type ActionSettings, settingsOf } from './settings.ts';
import { type LfsOptions, type Staged, stage, stageLinks, stagePointers } from './staging.ts';
import {
  cacheKeys,
  keepVerdict,
  pruneVerdicts,
  readVerdict,
  toolDigest,
  verdictKey,
} from './verdict-cache.ts';
import { logLine, writeOutputValues } from './workflow-commands.ts';

export interface ActionIo {
  readonly stdout: (text: string) => void;
  /** ISO date. */
  readonly today: () => string;
}

interface Place {
  readonly workspace: string;
  readonly temp: string;
  readonly verdicts: string;
}

function placeOf(env: Environment): Place {
  const workspace = env['GITHUB_WORKSPACE'] ?? '';
  if (workspace === '') throw new ScanError('E_USAGE', 'GITHUB_WORKSPACE is not set');
  const temp = env['RUNNER_TEMP'] ?? tmpdir();
  return { workspace: realpathSync(workspace), temp, verdicts: join(temp, 'narrowfire-verdicts') };
}

/** Before the scan: under which key earlier verdicts are. @returns the exit code. */
export function planAction(env: Environment, io: ActionIo): number {
  return guarded(io, () => {
    const { verdicts } = placeOf(env);
    const run = `${env['GITHUB_RUN_ID'] ?? '0'}-${env['GITHUB_RUN_ATTEMPT'] ?? '1'}`;
    const job = env['GITHUB_JOB'] ?? 'job';
    const { key, restoreKey } = cacheKeys(toolDigest(), `${run}-${job}`);
    readInputs(env);
    readEvent(env);
    mkdirSync(verdicts, { recursive: true });
    writeOutputValues(env['GITHUB_OUTPUT'], {
      'cache-folder': verdicts,
      'cache-key': key,
      'cache-restore-key': restoreKey,
    });
    return EXIT.ok;
  });
}

function fail(thrown: unknown, io: ActionIo): number {
  const error = toScanError(thrown);
  io.stdout(logLine(formatError(error)));
  return exitCodeOfError(error.code);
}

function guarded(io: ActionIo, action: () => number): number {
  try {
    return action();
  } catch (thrown) {
    return fail(thrown, io);
  }
}

/** The changes to look at; undefined when every model is. */
function scopeOf(git: Git, inputs: Inputs, event: WorkflowEvent): Changes | undefined {
  const wanted = inputs['changed-only'];
  const base = inputs['base-ref'] ?? event.pullRequest?.baseSha;
  if (wanted === 'false' || (wanted === 'auto' && event.pullRequest === undefined))
    return undefined;
  if (base === undefined) {
    throw new ScanError('E_USAGE', 'changed-only needs a pull request or base-ref');
  }
  return changesIn(git, rangeOf(git, base, event.pullRequest));
}

function lfsOptions(git: Git, inputs: Inputs, touched: ReadonlySet<string>): LfsOptions {
  const refused =
    inputs.lfs === 'never'
      ? 'not fetched: lfs is set to never'
      : touched.has('.lfsconfig')
        ? 'not fetched: this pull request changes .lfsconfig, which says where files come from'
        : !hasGitLfs(git)
          ? 'not fetched: git-lfs is not installed'
          : undefined;
  return { refused, budget: { bytesLeft: inputs['max-download-bytes'] } };
}

/** What kept files out of a scan stands among the target's errors, so that its verdict is no pass. */
function withProblems(
  target: TargetResult,
  problems: readonly SerializedError[],
  failOn: FailOn,
): TargetResult {
  if (problems.length === 0) return target;
  const errors = [...target.errors, ...problems];
  return {
    ...target,
    errors,
    verdict: targetVerdict(target.findings, target.coverage, errors, failOn),
  };
}

interface Batch {
  readonly env: Environment;
  readonly folder: string;
  readonly root: string;
  readonly settings: ActionSettings;
  readonly log: (line: string) => void;
}

/** Scans staged targets. One that the scanner has no word about counts as failed, never as passed. */
async function scanStaged(
  batch: Batch,
  targets: readonly ModelTarget[],
): Promise<ReadonlyMap<string, TargetResult>> {
  if (targets.length === 0) return new Map();
  const result = await runScanner({
    folder: batch.root,
    targets: targets.map(({ path }) => path),
    arguments: batch.settings.scanArguments,
    resultFile: join(batch.folder, 'scan.json'),
    env: scannerEnvironment(batch.env),
    log: batch.log,
  });
  return new Map(result.targets.map((target) => [target.path, target]));
}

function resultOf(targets: readonly TargetResult[], settings: ActionSettings): ScanResult {
  const { failOn, redact, calibration } = settings;
  return {
    schema: 'narrowfire/result/v1',
    tool: { name: 'narrowfire', version: VERSION },
    verdict: targets.length === 0 ? 'pass' : overallVerdict(targets),
    exitCode: targets.length === 0 ? EXIT.ok : exitCodeOf(targets, failOn),
    failOn,
    ...(redact !== undefined && { redaction: redact }),
    calibration,
    targets,
  };
}

function missing(path: string): TargetResult {
  return {
    path,
    kind: 'missing',
    verdict: 'incomplete',
    findings: [],
    coverage: { stages: [], notCovered: [] },
    cost: { tokens: 0, device: 'none' },
    errors: [{ code: 'E_WORKER', message: 'the scanner says nothing about it', file: path }],
  };
}

async function scanRepository(env: Environment, io: ActionIo): Promise<number> {
  const inputs = readInputs(env);
  const event = readEvent(env);
  const { workspace, temp, verdicts } = placeOf(env);
  const git: Git = { folder: workspace, env: gitEnvironment(env) };
  const head = commitOf(git, 'HEAD');
  if (head === undefined) {
    throw new ScanError('E_USAGE', 'no commit is checked out', {
      hint: 'Run actions/checkout first.',
    });
  }
  const log = (line: string) => io.stdout(logLine(line));
  const changes = scopeOf(git, inputs, event);
  const touched = new Set([...(changes?.changed ?? []), ...(changes?.deleted ?? [])]);
  const settings = settingsOf(inputs, {
    workspace,
    touched: event.pullRequest === undefined ? undefined : touched,
    today: io.today(),
  });
  const tree = readTree(git, head);
  const notices = [...settings.notices];
  const unnamed = changes?.unnamed ?? tree.unnamed;
  if (unnamed > 0)
    notices.push(`${unnamed} file names are not UTF-8; these files were not scanned`);
  const { looksLikeModel } = contentTest(git, tree, changes !== undefined);
  const models = selectModels(tree, { changes, paths: inputs.paths, looksLikeModel });

  const folder = mkdtempSync(join(temp, 'narrowfire-'));
  // Named as the checkout, so that a repository that is itself a model keeps its name in reports.
  const root = join(folder, 'files', basename(workspace));
  mkdirSync(root, { recursive: true });
  const tool = toolDigest();
  const lfs = lfsOptions(git, inputs, touched);
  const staged = models.map((model) => stage(git, tree, model, root));
  const problems = new Map<string, readonly SerializedError[]>();
  const results = new Map<string, TargetResult>();
  const keys = new Map<string, string>();
  const unknown: Staged[] = [];
  for (const one of staged) {
    const { path } = one.target;
    const key = verdictKey(one, tool, settings.identity);
    keys.set(path, key);
    const known = inputs.cache ? readVerdict(verdicts, key, path) : undefined;
    if (known !== undefined && one.problems.length === 0) {
      log(`${path}: known from an earlier run (${known.verdict})`);
      results.set(path, known);
      continue;
    }
    unknown.push(one);
    problems.set(path, [...one.problems, ...(await stagePointers(git, one, root, lfs))]);
  }
  for (const one of unknown) {
    const { path } = one.target;
    problems.set(path, [...(problems.get(path) ?? []), ...stageLinks(one, root)]);
  }
  const cached = results.size;
  log(`models: ${models.length} to look at, ${cached} known from earlier runs`);

  const scanned = await scanStaged(
    { env, folder, root, settings, log },
    unknown.map(({ target }) => target),
  );
  let newVerdicts = 0;
  for (const {
    target: { path },
  } of unknown) {
    const target = withProblems(
      scanned.get(path) ?? missing(path),
      problems.get(path) ?? [],
      settings.failOn,
    );
    results.set(path, target);
    if (inputs.cache && keepVerdict(verdicts, keys.get(path) ?? '', resultOf([target], settings))) {
      newVerdicts += 1;
    }
  }
  pruneVerdicts(verdicts);
  rmSync(join(folder, 'files'), { recursive: true, force: true });

  const ordered = models.map(({ path }) => results.get(path) ?? missing(path));
  const result = resultOf(ordered, settings);
  for (const notice of notices) log(notice);
  const record = { inputs, settings, event, workspace, folder, result, staged, cached };
  const outputs = reportRun({ ...record, newVerdicts, notices }, env, io.stdout);
  const forgiven = result.exitCode === EXIT.incomplete && !inputs['fail-on-incomplete'];
  writeOutputValues(env['GITHUB_OUTPUT'], {
    ...outputs,
    'exit-code': String(forgiven ? EXIT.ok : result.exitCode),
  });
  log(`verdict: ${outputs['verdict']}, findings: ${outputs['findings']}`);
  return result.exitCode;
}

/** @returns what `narrowfire scan` would end with; the step itself goes on, so that reports are uploaded first. */
export async function runAction(env: Environment, io: ActionIo): Promise<number> {
  try {
    return await scanRepository(env, io);
  } catch (thrown) {
    return fail(thrown, io);
  }
}
