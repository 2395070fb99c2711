/** Clean models' evidence to a calibration: one score a rule and model, sorted, with the bound that follows. */
import type { Evidence } from '../evidence/evidence.ts';
import { VERSION } from '../version.ts';
import {
  boundOf,
  CALIBRATION_SCHEMA,
  type CalibratedGroup,
  type CalibratedRule,
  type CalibrationFile,
  type CalibrationSettings,
  MEANING,
} from './calibration.ts';
import { compileCondition } from './condition.ts';
import { compareText } from './evaluate.ts';
import type { Rule } from './rule.ts';
import { fieldAt } from './template.ts';

/** What the stages left of one clean model. */
export interface CleanModel {
  readonly name: string;
  readonly modelClass: string;
  /** Stages that came to their end. */
  readonly stages: readonly string[];
  readonly evidence: readonly Evidence[];
  /** `StageOutcome.best`. */
  readonly best: Readonly<Record<string, number>>;
}

/** As evidence kind and field: `verified-trigger.score`. */
export function statisticName(rule: Rule): string | undefined {
  return rule.calibration === undefined
    ? undefined
    : `${rule.evidence}.${rule.calibration.statistic}`;
}

/** Highest value of the rule's statistic; undefined when there was nothing to measure. */
export function scoreOf(
  rule: Rule,
  evidence: readonly Evidence[],
  best: Readonly<Record<string, number>> = {},
): number | undefined {
  const { calibration } = rule;
  if (calibration === undefined) return undefined;
  const { statistic, where } = calibration;
  const counts = where === undefined ? undefined : compileCondition(where, rule.folder);
  const values = evidence
    .filter((fact) => fact.kind === rule.evidence)
    .filter((fact) => counts?.({ e: fact, t: rule.thresholds }) ?? true)
    .map((fact) => fieldAt(fact, statistic));
  // Without a condition of its own, what the stage measured but did not report counts too.
  if (where === undefined) values.push(best[`${rule.evidence}.${statistic}`]);
  const numbers = values.filter(
    (value): value is number => typeof value === 'number' && Number.isFinite(value),
  );
  return numbers.length === 0 ? undefined : numbers.reduce((a, b) => Math.max(a, b));
}

function calibrateRule(
  rule: Rule,
  models: readonly CleanModel[],
  alpha: number,
): CalibratedRule | undefined {
  const { calibration } = rule;
  const statistic = statisticName(rule);
  if (calibration === undefined || statistic === undefined || !rule.enabled) return undefined;
  const { stage, threshold } = calibration;
  const shipped = rule.thresholds[threshold];
  if (typeof shipped !== 'number') return undefined;
  if (!models.every(({ stages }) => stages.includes(stage))) return undefined;
  const scores = models
    .map(({ evidence, best }) => scoreOf(rule, evidence, best))
    .filter((score) => score !== undefined)
    .toSorted((a, b) => a - b);
  return {
    ruleId: rule.id,
    stage,
    statistic,
    threshold,
    shipped,
    scores,
    ...boundOf(scores, models.length, alpha),
  };
}

export interface CalibrateInput {
  readonly name: string;
  readonly alpha: number;
  readonly settings: CalibrationSettings;
  readonly rules: readonly Rule[];
  readonly models: readonly CleanModel[];
}

export function calibrate({
  name,
  alpha,
  settings,
  rules,
  models,
}: CalibrateInput): CalibrationFile {
  const classes = [...new Set(models.map(({ modelClass }) => modelClass))].toSorted(compareText);
  const groups = classes.map((modelClass): CalibratedGroup => {
    const members = models.filter((model) => model.modelClass === modelClass);
    return {
      modelClass,
      models: members.map((model) => model.name).toSorted(compareText),
      rules: rules
        .map((rule) => calibrateRule(rule, members, alpha))
        .filter((rule) => rule !== undefined),
    };
  });
  return {
    schema: CALIBRATION_SCHEMA,
    name,
    tool: { name: 'narrowfire', version: VERSION },
    alpha,
    settings,
    groups,
    meaning: MEANING,
  };
}
