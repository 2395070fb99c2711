/**
 * A calibration on one target: its thresholds in place of the shipped ones, and each finding's share among clean
 * models. What does not fit the target is not applied, and says why.
 */
import type {
  CalibratedThreshold,
  Finding,
  RuleId,
  TargetCalibration,
  WithheldFinding,
} from '../finding/finding.ts';
import { VERSION } from '../version.ts';
import { scoreOf, statisticName } from './calibrate.ts';
import type {
  CalibratedGroup,
  CalibratedRule,
  Calibration,
  CalibrationSettings,
} from './calibration.ts';
import { conformalPValue, lowestAlpha, modelsNeeded, nextAbove } from './conformal.ts';
import type { Rule } from './rule.ts';
import { quote } from './template.ts';

export interface CalibratedTarget {
  /** Undefined when the stage that tells it did not run. */
  readonly modelClass: string | undefined;
  readonly settings: CalibrationSettings | undefined;
  /** The user named strings to try. */
  readonly suspects?: boolean;
}

export interface AppliedCalibration {
  readonly rules: readonly Rule[];
  /** Which shipped findings it withheld is known only after both were judged. */
  readonly report: Omit<TargetCalibration, 'withheld'>;
  /** Adds p-values. */
  mark(finding: Finding): Finding;
}

/** Scores change with the minor version (docs/writing-rules.md), so a calibration is one version's. */
const release = (version: string): string => version.split('.').slice(0, 2).join('.');

function mismatch(calibration: Calibration, target: CalibratedTarget): string | undefined {
  const { modelClass, settings } = target;
  const made = calibration.settings;
  if (settings === undefined) return 'only scans that run the model are calibrated';
  if (modelClass === undefined)
    return 'the class of this model is not known, because it was not run';
  if (target.suspects === true) return 'clean models were scanned without suspected strings';
  const { version } = calibration.tool;
  if (release(version) !== release(VERSION)) {
    return `it was made by version ${quote(version)}, this is ${VERSION}; calibrate again`;
  }
  if (made.profile !== settings.profile) {
    return `it was made with profile ${made.profile}, this scan has ${settings.profile}`;
  }
  if (made.seed !== settings.seed) {
    return `it was made with seed ${made.seed}, this scan has ${settings.seed}`;
  }
  if (made.base !== settings.base) {
    return `it was made ${made.base ? 'with' : 'without'} --base, this scan ${settings.base ? 'has one' : 'has none'}`;
  }
  const digests = ({ corpora }: CalibrationSettings) => corpora.map(({ sha256 }) => sha256).join();
  if (digests(made) !== digests(settings)) return 'it was made with other corpora';
  return undefined;
}

function groupFor(calibration: Calibration, target: CalibratedTarget): CalibratedGroup | string {
  const problem = mismatch(calibration, target);
  if (problem !== undefined) return problem;
  const group = calibration.groups.find(({ modelClass }) => modelClass === target.modelClass);
  if (group !== undefined) return group;
  const known = calibration.groups.map(({ modelClass }) => quote(modelClass)).slice(0, 5);
  return `it holds no model of class ${target.modelClass}, only ${known.join(', ') || 'none'}`;
}

/** The entry for a rule, when it means the same statistic and threshold. */
function entryFor(rule: Rule, group: CalibratedGroup): CalibratedRule | undefined {
  const entry = group.rules.find(({ ruleId }) => ruleId === rule.id);
  const same =
    entry?.statistic === statisticName(rule) && entry?.threshold === rule.calibration?.threshold;
  return same ? entry : undefined;
}

function kept(rule: Rule, entry: CalibratedRule, { alpha }: Calibration, models: number) {
  const current = `${rule.id} keeps ${entry.threshold} ${rule.thresholds[entry.threshold]}`;
  if (rule.configured?.includes(entry.threshold) === true)
    return `${current}: the configuration sets it`;
  if (entry.certifies === null) {
    return `${current}: ${models} models certify ${percent(lowestAlpha(models))} at best, ${percent(alpha)} needs ${modelsNeeded(alpha)}`;
  }
  // What no model of this class has anything of needs no word.
  return entry.above === null && entry.scores.length > 0
    ? `${current}: too few clean models had anything to measure`
    : undefined;
}

export const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;

/** One sentence for the end of a finding's message. */
export function calibratedSentence({ calibrated }: Pick<Finding, 'calibrated'>): string {
  if (calibrated === undefined) return '';
  const { name, pValue, models } = calibrated;
  return ` Conformal p-value ${Number(pValue.toPrecision(3))} among ${models} clean models (calibration ${quote(name)}).`;
}

/** Shipped findings that are none under the calibration: nobody should have to guess what it took away. */
export function withheldBy(
  { mark }: AppliedCalibration,
  shipped: readonly Finding[],
  judged: readonly Finding[],
): readonly WithheldFinding[] {
  const kept = new Set(judged.map(({ fingerprint }) => fingerprint));
  return shipped
    .filter(({ fingerprint }) => !kept.has(fingerprint))
    .flatMap((finding) => {
      const { calibrated } = mark(finding);
      if (calibrated === undefined) return [];
      const { ruleId, level } = finding;
      return [{ ruleId, level, value: calibrated.value, pValue: calibrated.pValue }];
    });
}

export function applyCalibration(
  rules: readonly Rule[],
  calibration: Calibration,
  target: CalibratedTarget,
): AppliedCalibration {
  const group = groupFor(calibration, target);
  const { name } = calibration;
  const known = { name, ...(target.modelClass !== undefined && { modelClass: target.modelClass }) };
  if (typeof group === 'string') {
    const report = { ...known, models: 0, thresholds: [], notApplied: [`Not applied: ${group}.`] };
    return { rules, report, mark: (finding) => finding };
  }
  const models = group.models.length;
  const thresholds: CalibratedThreshold[] = [];
  const notApplied: string[] = [];
  const changed = rules.map((rule): Rule => {
    const entry = entryFor(rule, group);
    if (entry === undefined) return rule;
    const reason = kept(rule, entry, calibration, models);
    if (reason !== undefined) notApplied.push(`${reason}.`);
    const { threshold, above, certifies } = entry;
    const shipped = rule.thresholds[threshold];
    if (reason !== undefined || above === null || certifies === null) return rule;
    if (typeof shipped !== 'number') return rule;
    thresholds.push({ ruleId: rule.id as RuleId, threshold, shipped, above, certifies });
    return { ...rule, thresholds: { ...rule.thresholds, [threshold]: nextAbove(above) } };
  });
  const mark = (finding: Finding): Finding => {
    const rule = rules.find(({ id }) => id === finding.ruleId);
    const entry = rule === undefined ? undefined : entryFor(rule, group);
    const value = rule === undefined ? undefined : scoreOf(rule, finding.evidence);
    if (entry === undefined || value === undefined) return finding;
    const pValue = conformalPValue(value, entry.scores, models);
    const calibrated = { name, statistic: entry.statistic, value, pValue, models };
    return {
      ...finding,
      calibrated,
      message: finding.message + calibratedSentence({ calibrated }),
    };
  };
  return { rules: changed, report: { ...known, models, thresholds, notApplied }, mark };
}
