/**
 * The rule file: what a `rule.yaml` may hold. A rule turns one kind of evidence into findings; its thresholds,
 * texts and taxonomy ids live here and never in detector code.
 */
import { z } from 'zod';

export const LEVELS = ['error', 'warning', 'note'] as const;
export const PRECISIONS = ['very-high', 'high', 'medium', 'low'] as const;

const fieldPath = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)*$/, 'must be a field path such as location.member');

export const thresholdValue = z.union([
  z.number(),
  z.string(),
  z.boolean(),
  z.array(z.union([z.number(), z.string()])),
]);

export type ThresholdValue = z.infer<typeof thresholdValue>;

/** Stages whose statistics can be calibrated on clean models. */
export const CALIBRATED_STAGES = ['weights', 'verify', 'features'] as const;

const calibrated = z.strictObject({
  stage: z.enum(CALIBRATED_STAGES).describe('The stage that measures it.'),
  threshold: z
    .string()
    .describe('The threshold that calibration sets; values at or above it count.'),
  statistic: fieldPath.describe(
    'The numeric field; a model is as suspicious as its highest value.',
  ),
  where: z.string().min(1).optional().describe('CEL over e: only this evidence counts.'),
  basis: z.string().min(1).describe('What the shipped value rests on.'),
});

/** GitHub refuses names over 255 and descriptions over 1,024 characters (SARIF support for code scanning). */
export const ruleFile = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Z]{2,8}[0-9]{4}$/, 'must be capitals and four digits, as in NF1000')
    .describe('Stable number; never reused.'),
  name: z
    .string()
    .max(255)
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be kebab-case')
    .describe("The folder's name."),
  level: z
    .enum(LEVELS)
    .describe('error fails a scan by default; warning needs a look; note informs.'),
  evidence: z
    .string()
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be an evidence kind')
    .describe('The evidence kind that this rule reads.'),
  when: z
    .string()
    .min(1)
    .describe('CEL over e (the evidence) and t (the thresholds); true makes a finding.'),
  thresholds: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9]*$/), thresholdValue).default({}),
  calibration: calibrated
    .optional()
    .describe('How clean models can set a threshold (narrowfire calibrate).'),
  groupBy: z
    .array(fieldPath)
    .optional()
    .describe(
      'Evidence with equal values becomes one finding. Default: path and the subject fields.',
    ),
  subject: z
    .array(fieldPath)
    .default([])
    .describe('Fields that identify the finding between runs: no scores, counts or offsets.'),
  rankBy: fieldPath
    .optional()
    .describe('The numeric field whose highest value speaks for a group.'),
  title: z.string().min(1).max(1024),
  message: z.string().min(1).describe('Template: {field.path|filter}.'),
  remediation: z.string().min(1),
  precision: z.enum(PRECISIONS),
  securitySeverity: z.number().gt(0).max(10).optional(),
  taxa: z.array(z.string()).default([]),
  since: z.string().regex(/^\d+\.\d+\.\d+$/, 'must be a version'),
});

export type RuleFile = z.infer<typeof ruleFile>;

export interface RuleDocument {
  /** Markdown of `doc.md`, headings included. */
  readonly markdown: string;
}

/** A rule as it is used: the file, where it came from, its documentation and what configuration changed. */
export interface Rule extends RuleFile {
  /** Folder of the rule, absolute. */
  readonly folder: string;
  /** `builtin` or the user's rule folder as given. */
  readonly pack: string;
  readonly markdown: string;
  readonly enabled: boolean;
  /** Thresholds that the configuration set; calibration leaves them alone. */
  readonly configured?: readonly string[];
}

/** What `narrowfire.yaml` may change about a rule. */
export interface RuleOverride {
  readonly enabled?: boolean | undefined;
  readonly level?: RuleFile['level'] | undefined;
  readonly thresholds?: Readonly<Record<string, ThresholdValue>> | undefined;
}
