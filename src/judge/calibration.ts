/**
 * The calibration file (`narrowfire/calibration/v1`): what clean models scored, and the thresholds that follow. It may
 * come from anybody, so every number in it that follows from others is computed again and compared.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { ScanError, toScanError } from '../errors.ts';
import { conformalRank, rateOfRank } from './conformal.ts';
import { CALIBRATED_STAGES } from './rule.ts';

export const CALIBRATION_SCHEMA = 'narrowfire/calibration/v1';

const MAX_FILE_BYTES = 16_000_000;
const MAX_MODELS = 100_000;

const shortText = z.string().min(1).max(400);
const rate = z.number().gt(0).lt(1);

const calibratedRule = z.strictObject({
  ruleId: z.string().regex(/^[A-Z]{2,8}[0-9]{4}$/, 'must be a rule id'),
  stage: z.enum(CALIBRATED_STAGES),
  statistic: z
    .string()
    .max(200)
    .describe('Evidence kind and field whose highest value is the score.'),
  threshold: z.string().max(100).describe("Name of the rule's threshold."),
  shipped: z.number().describe('Value of that threshold when this was made.'),
  scores: z
    .array(z.number())
    .max(MAX_MODELS)
    .describe('One for each model for which there was something to measure, ascending.'),
  above: z
    .number()
    .nullable()
    .describe('Only more than this counts; null: the threshold stays as it is.'),
  certifies: rate
    .nullable()
    .describe('False-alarm rate that this bounds; null: too few models for alpha.'),
});

const group = z.strictObject({
  modelClass: shortText.describe('Family and task, as in llama/causal.'),
  models: z.array(shortText).min(1).max(MAX_MODELS),
  rules: z.array(calibratedRule).max(10_000),
});

const settings = z.strictObject({
  profile: z.enum(['quick', 'standard', 'deep']),
  seed: z.int().min(0),
  base: z.boolean().describe('Whether models were compared with a base.'),
  corpora: z.array(
    z.strictObject({
      name: shortText,
      sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex'),
    }),
  ),
});

export const calibrationFile = z.strictObject({
  schema: z.literal(CALIBRATION_SCHEMA),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,99}$/, 'must be letters, digits, spaces and ._+-'),
  tool: z.strictObject({ name: z.literal('narrowfire'), version: z.string().max(40) }),
  alpha: rate.describe('False-alarm rate that was asked for.'),
  settings,
  groups: z.array(group).max(1000),
  meaning: z.string().max(4000).describe('What is certified, in words.'),
});

export type CalibrationFile = z.infer<typeof calibrationFile>;
export type CalibrationSettings = CalibrationFile['settings'];
export type CalibratedGroup = CalibrationFile['groups'][number];
export type CalibratedRule = CalibratedGroup['rules'][number];

/** A file that was read and held. */
export interface Calibration extends CalibrationFile {
  readonly sha256: string;
}

export const MEANING =
  'Of clean models like these, at most the share "certifies" gets a finding of the rule, on average. This holds for ' +
  'each rule by itself, for one new model that is exchangeable with the calibration models: of the same kind and ' +
  'origin, none of them chosen by its score, scanned with the same version and settings. It says nothing about how ' +
  'many backdoors are found, and nothing about models of another kind.';

export function calibrationJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    ...z.toJSONSchema(calibrationFile, { target: 'draft-7', io: 'input' }),
    title: 'narrowfire calibration v1',
    description: MEANING,
  };
}

/** What follows from scores: the bound, and the rate that it certifies. */
export function boundOf(
  scores: readonly number[],
  models: number,
  alpha: number,
): Pick<CalibratedRule, 'above' | 'certifies'> {
  const rank = conformalRank(models, alpha);
  if (rank === undefined) return { above: null, certifies: null };
  // Models with nothing to measure come first: where the bound falls on one of them there is no number to set.
  const above = scores[rank - 1 - (models - scores.length)] ?? null;
  return { above, certifies: rateOfRank(models, rank) };
}

function checkRule(rule: CalibratedRule, models: number, alpha: number): string | undefined {
  const { scores } = rule;
  if (scores.length > models) return 'has more scores than models';
  if (scores.some((score, index) => score < (scores[index - 1] ?? score))) {
    return 'has scores that do not ascend';
  }
  const { above, certifies } = boundOf(scores, models, alpha);
  return rule.above === above && rule.certifies === certifies
    ? undefined
    : 'has a bound that does not follow from its scores';
}

function checkGroups({ groups, alpha }: CalibrationFile): string | undefined {
  const classes = new Set<string>();
  for (const { modelClass, models, rules } of groups) {
    if (classes.has(modelClass)) return `${JSON.stringify(modelClass)} stands twice`;
    classes.add(modelClass);
    const ids = new Set<string>();
    for (const rule of rules) {
      const problem = ids.has(rule.ruleId) ? 'stands twice' : checkRule(rule, models.length, alpha);
      if (problem !== undefined) return `${JSON.stringify(modelClass)}: ${rule.ruleId} ${problem}`;
      ids.add(rule.ruleId);
    }
  }
  return undefined;
}

/** @throws ScanError `E_CONFIG`, one line */
export function parseCalibration(text: string, file: string): Calibration {
  const wrong = (message: string) =>
    new ScanError('E_CONFIG', `calibration: ${message}`, {
      file,
      hint: 'Write one with narrowfire calibrate CLEAN_MODELS.',
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('not JSON');
  }
  const checked = calibrationFile.safeParse(value);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const where = issue?.path.map(String).join('.') ?? '';
    throw wrong(`${where === '' ? '' : `${where}: `}${issue?.message ?? 'wrong'}`);
  }
  const problem = checkGroups(checked.data);
  if (problem !== undefined) throw wrong(problem);
  return { ...checked.data, sha256: createHash('sha256').update(text).digest('hex') };
}

/** @throws ScanError `E_CONFIG` */
export function readCalibration(file: string): Calibration {
  let text: string;
  try {
    if (statSync(file).size > MAX_FILE_BYTES) {
      throw new ScanError('E_LIMIT', `larger than ${MAX_FILE_BYTES} bytes`);
    }
    text = readFileSync(file, 'utf8');
  } catch (error) {
    // A setting that cannot be read is no missing target.
    throw new ScanError('E_CONFIG', `calibration: ${toScanError(error).message}`, { file });
  }
  return parseCalibration(text, file);
}

export function formatCalibration(calibration: CalibrationFile): string {
  return `${JSON.stringify(calibration, null, 1)}\n`;
}
