/** Clean models through the stages of a scan, one after another, to a calibration. A model that fails is left out. */
import { formatError, ScanError } from '../errors.ts';
import type { TargetResult } from '../finding/finding.ts';
import { type CleanModel, calibrate } from '../judge/calibrate.ts';
import type { CalibrationFile } from '../judge/calibration.ts';
import { judge } from '../judge/judge.ts';
import type { Rule } from '../judge/rule.ts';
import { isGap } from '../judge/verdict.ts';
import { calibrationSettings } from './calibration-settings.ts';
import { type ObservedTarget, observeTarget, type ScanHooks, type ScanOptions } from './scan.ts';
import type { Target } from './stage.ts';
import { findTargets } from './targets.ts';

export interface CalibrateOptions extends Omit<ScanOptions, 'policy' | 'calibration'> {
  readonly name: string;
  /** False-alarm rate to certify, above 0 and below 1. */
  readonly alpha: number;
}

export interface CalibrateHooks extends ScanHooks {
  /** After each model. */
  readonly onModel?: (outcome: ModelOutcome, done: number, total: number) => void;
}

export interface ModelOutcome {
  readonly path: string;
  readonly model: CleanModel | undefined;
  /** Why it was left out. */
  readonly left: string | undefined;
  /** Rules at `error` under the shipped thresholds: is it clean? */
  readonly errors: readonly string[];
}

export interface CalibrateResult {
  /** Undefined when no model was left. */
  readonly calibration: CalibrationFile | undefined;
  readonly outcomes: readonly ModelOutcome[];
}

/** @throws ScanError `E_USAGE` for a profile that runs no model, `E_INTERRUPTED` */
export async function calibrateModels(
  paths: readonly string[],
  options: CalibrateOptions,
  hooks: CalibrateHooks = {},
): Promise<CalibrateResult> {
  const { rules, name, alpha, ...scanOptions } = options;
  const settings = calibrationSettings(scanOptions);
  if (settings === undefined) {
    throw scanOptions.profile === 'files'
      ? new ScanError('E_USAGE', 'profile files runs no model, so there is nothing to calibrate')
      : new ScanError('E_NOT_FOUND', 'no such corpus', { file: scanOptions.corpus ?? '' });
  }
  const { targets, missing } = await findTargets(paths);
  const total = targets.length + missing.length;
  const outcomes: ModelOutcome[] = [];
  const add = (outcome: ModelOutcome) => {
    outcomes.push(outcome);
    hooks.onModel?.(outcome, outcomes.length, total);
  };
  for (const { given, error } of missing) {
    add({ path: given, model: undefined, left: formatError(error), errors: [] });
  }
  for (const target of targets) {
    const observed = await observeTarget(target, scanOptions, hooks);
    if (hooks.cancel?.cancelled === true) {
      throw new ScanError('E_INTERRUPTED', 'interrupted; no calibration was written');
    }
    add(outcomeOf(target, observed, rules));
  }
  const models = outcomes.flatMap(({ model }) => model ?? []);
  if (models.length === 0) return { calibration: undefined, outcomes };
  return { calibration: calibrate({ name, alpha, settings, rules, models }), outcomes };
}

function outcomeOf(target: Target, observed: ObservedTarget, rules: readonly Rule[]): ModelOutcome {
  const { input, modelClass, best } = observed;
  const judged = judge(input, rules, { failOn: 'error', ignores: [], today: '1970-01-01' });
  const errors = judged.findings.filter(({ level }) => level === 'error');
  const unfinished = input.stages.some(
    ({ stage, status }) => stage !== 'files' && status !== 'done',
  );
  const shared = { path: target.given, errors: [...new Set(errors.map(({ ruleId }) => ruleId))] };
  if (modelClass === undefined || unfinished) {
    return { ...shared, model: undefined, left: reasonFor(judged) };
  }
  const stages = input.stages.map(({ stage }) => stage);
  const { evidence } = input;
  return {
    ...shared,
    model: { name: target.name, modelClass, stages, evidence, best },
    left: undefined,
  };
}

function reasonFor({ errors, coverage }: TargetResult): string {
  const [error] = errors;
  if (error !== undefined) return formatError(error);
  return coverage.notCovered.find(isGap)?.why ?? 'the model was not run';
}
