/** A scan: targets in, each run by a supervised child process, one judged result out. */
import { basename } from 'node:path';
import type { ScanResult, StageReport, TargetResult } from '../finding/finding.ts';
import { applyCalibration } from '../judge/apply-calibration.ts';
import type { Calibration } from '../judge/calibration.ts';
import { type JudgeInput, judge } from '../judge/judge.ts';
import type { Policy } from '../judge/policy.ts';
import type { Rule } from '../judge/rule.ts';
import { calibrationOf } from '../judge/shipped-calibration.ts';
import { exitCodeOf, overallVerdict } from '../judge/verdict.ts';
import { VERSION } from '../version.ts';
import { calibrationSettings } from './calibration-settings.ts';
import type { NetworkOptions } from './remote-stage.ts';
import { stagesFor } from './run-stages.ts';
import type { CancelSignal, Profile, ProgressEvent, StageOutcome, Target } from './stage.ts';
import { supervise } from './supervise.ts';
import { findTargets, type MissingTarget } from './targets.ts';

export type Device = 'auto' | 'cpu' | 'cuda' | 'webgpu' | 'dml' | 'coreml';

export interface ScanOptions {
  readonly profile: Profile;
  readonly rules: readonly Rule[];
  readonly policy: Policy;
  readonly seed: number;
  readonly device: Device;
  readonly workers?: number;
  /** Bound on the memory of running the model. */
  readonly memoryBytes?: number;
  /** Large sweeps run on an eight-bit copy first; what they keep is looked at again in float32. */
  readonly screen?: 'int8';
  /** Wall-clock limit for all targets. */
  readonly budgetSeconds?: number;
  /** Folder of a base model to compare with. */
  readonly base?: string;
  /** Folder of a sparse autoencoder to load instead of training one. */
  readonly sae?: string;
  /** JSONL or text file of domain text. */
  readonly corpus?: string;
  /** JSONL or text file of passages that models learn by heart. */
  readonly knownText?: string;
  /** Strings to try as triggers. */
  readonly suspects?: readonly string[];
  /** Remote targets are read only with these; without, the network is never touched. */
  readonly network?: NetworkOptions;
  /** Largest file whose SHA-256 is taken; by default all, and with profile `files` small ones. */
  readonly digestBytes?: number;
  /** Thresholds from clean models, in place of the shipped ones. */
  readonly calibration?: Calibration;
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
    calibration: calibrationOf(options.calibration),
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

/** What the stages of one target left behind. */
export interface ObservedTarget {
  readonly input: JudgeInput;
  readonly modelClass: string | undefined;
  /** `StageOutcome.best` of all stages. */
  readonly best: Readonly<Record<string, number>>;
}

/** Runs one target's stages and judges nothing. */
export async function observeTarget(
  target: Target,
  options: Omit<ScanOptions, 'rules' | 'policy' | 'calibration'>,
  hooks: ScanHooks,
): Promise<ObservedTarget> {
  const { outcomes, error } = await supervise(target, {
    ...options,
    cancel: hooks.cancel ?? { cancelled: false },
    ...(hooks.progress !== undefined && { onProgress: hooks.progress }),
  });
  const reached = new Map(outcomes);
  const stages = stagesFor(target, options.profile, options.base).map((stage): StageReport => {
    const outcome = reached.get(stage);
    if (outcome !== undefined && outcome.errors.length === 0) return { stage, status: 'done' };
    // A stage that an earlier one made pointless was not owed; one cut short by a crash or a limit was.
    const owed = outcome !== undefined || error !== undefined;
    return { stage, status: owed ? 'incomplete' : 'skipped' };
  });
  const errors = outcomes.flatMap(([, outcome]) => outcome.errors);
  const files = outcomes.find(([, outcome]) => outcome.files !== undefined)?.[1].files ?? [];
  const sha256 = target.kind === 'file' ? files[0]?.sha256 : undefined;
  const input = {
    path: target.given,
    name: target.name,
    kind: target.kind,
    ...(sha256 !== undefined && { sha256 }),
    ...(files.length > 0 && { files }),
    evidence: outcomes.flatMap(([, outcome]) => outcome.evidence),
    notCovered: outcomes.flatMap(([, outcome]) => outcome.notCovered),
    errors: error === undefined ? errors : [...errors, error],
    stages,
    cost: {
      tokens: outcomes.reduce((sum, [, { tokens }]) => sum + tokens, 0),
      device: outcomes.find(([, { device }]) => device !== undefined)?.[1].device ?? 'none',
      ...memoryOf(outcomes),
    },
  };
  return {
    input,
    modelClass: outcomes.findLast(([, one]) => one.modelClass !== undefined)?.[1].modelClass,
    best: Object.assign({}, ...outcomes.map(([, one]) => one.best ?? {})) as Record<string, number>,
  };
}

async function scanTarget(
  target: Target,
  options: ScanOptions,
  hooks: ScanHooks,
): Promise<TargetResult> {
  const { rules, policy, calibration, ...given } = options;
  const stageOptions = { ...given, ...digestsFor(policy) };
  const { input, modelClass } = await observeTarget(target, stageOptions, hooks);
  if (calibration === undefined) return judge(input, rules, policy);
  const settings = calibrationSettings(stageOptions);
  const suspects = (options.suspects ?? []).length > 0;
  const applied = applyCalibration(rules, calibration, { modelClass, settings, suspects });
  return judge(input, rules, policy, applied);
}

/** An ignore entry that names a digest needs all of them, whatever the files weigh. */
function digestsFor({ ignores }: Policy): Pick<ScanOptions, 'digestBytes'> {
  const asked = ignores.some(({ digest }) => digest !== undefined);
  return asked ? { digestBytes: Number.POSITIVE_INFINITY } : {};
}

function memoryOf(
  outcomes: readonly (readonly [string, StageOutcome])[],
): Pick<TargetResult['cost'], 'memory'> {
  const memory = outcomes.find(([, outcome]) => outcome.memory !== undefined)?.[1].memory;
  return memory === undefined ? {} : { memory };
}
