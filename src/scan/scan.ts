/** A scan in this process: targets in, stages in order, one judged result out. */
import { basename } from 'node:path';
import type { ScanResult, TargetResult } from '../finding/finding.ts';
import { judge } from '../judge/judge.ts';
import type { Policy } from '../judge/policy.ts';
import type { Rule } from '../judge/rule.ts';
import { exitCodeOf, overallVerdict } from '../judge/verdict.ts';
import { VERSION } from '../version.ts';
import { runFileStage } from './file-stage.ts';
import { type NetworkOptions, runRemoteStage } from './remote-stage.ts';
import type {
  CancelSignal,
  Profile,
  ProgressEvent,
  StageName,
  StageOutcome,
  Target,
} from './stage.ts';
import { findTargets, type MissingTarget } from './targets.ts';
import { runWeightStage } from './weight-stage.ts';

export type Device = 'auto' | 'cpu' | 'cuda' | 'webgpu' | 'dml' | 'coreml';

export interface ScanOptions {
  readonly profile: Profile;
  readonly rules: readonly Rule[];
  readonly policy: Policy;
  readonly seed: number;
  readonly device: Device;
  readonly workers?: number;
  /** Wall-clock limit for all targets. */
  readonly budgetSeconds?: number;
  /** Folder of a base model to compare with. */
  readonly base?: string;
  /** Folder of a sparse autoencoder to load instead of training one. */
  readonly sae?: string;
  /** JSONL or text file of domain text. */
  readonly corpus?: string;
  /** Remote targets are read only with these; without, the network is never touched. */
  readonly network?: NetworkOptions;
}

export interface ScanHooks {
  readonly progress?: (event: ProgressEvent) => void;
  readonly cancel?: CancelSignal;
}

/** Scans every target and judges it. Bad input, such as a missing folder, ends up in the result, not in a throw. */
export async function scan(
  paths: readonly string[],
  options: ScanOptions,
  hooks: ScanHooks = {},
): Promise<ScanResult> {
  const found = await findTargets(paths);
  const targets: TargetResult[] = found.missing.map((item) => missingTarget(item, options));
  for (const target of found.targets) targets.push(await scanTarget(target, options, hooks));
  return {
    schema: 'narrowfire/result/v1',
    tool: { name: 'narrowfire', version: VERSION },
    verdict: overallVerdict(targets),
    exitCode: exitCodeOf(targets, options.policy.failOn),
    failOn: options.policy.failOn,
    targets,
  };
}

function missingTarget({ given, error }: MissingTarget, options: ScanOptions): TargetResult {
  const input = {
    path: given,
    name: basename(given),
    kind: 'missing',
    evidence: [],
    notCovered: [],
    errors: [error],
    stages: [],
    cost: { tokens: 0, device: 'none' },
  };
  return judge(input, options.rules, options.policy);
}

async function scanTarget(
  target: Target,
  options: ScanOptions,
  hooks: ScanHooks,
): Promise<TargetResult> {
  const shared = {
    ...(hooks.cancel !== undefined && { cancel: hooks.cancel }),
    ...(hooks.progress !== undefined && { onProgress: hooks.progress }),
  };
  const remote = target.kind === 'remote';
  const files = remote
    ? await runRemoteStage(target, { ...shared, ...options })
    : await runFileStage(target, shared);
  const outcomes: [StageName, StageOutcome][] = [['files', files]];
  if (options.profile !== 'files' && !remote) {
    const base = options.base === undefined ? {} : { base: options.base };
    outcomes.push(['weights', await runWeightStage(target, { ...shared, ...base })]);
  }
  const input = {
    path: target.given,
    name: target.name,
    kind: target.kind,
    evidence: outcomes.flatMap(([, outcome]) => outcome.evidence),
    notCovered: outcomes.flatMap(([, outcome]) => outcome.notCovered),
    errors: outcomes.flatMap(([, outcome]) => outcome.errors),
    stages: outcomes.map(([stage, { errors }]) => ({
      stage,
      status: errors.length > 0 ? ('incomplete' as const) : ('done' as const),
    })),
    cost: { tokens: outcomes.reduce((sum, [, { tokens }]) => sum + tokens, 0), device: 'none' },
  };
  return judge(input, options.rules, options.policy);
}
