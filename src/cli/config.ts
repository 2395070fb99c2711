/**
 * `narrowfire.yaml`: the nearest one upward from the working folder. It is data only, and never taken from inside a
 * scanned target, whose author could otherwise switch the scan off.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { ScanError, toScanError } from '../errors.ts';
import type { Ignore } from '../judge/policy.ts';
import { LEVELS, thresholdValue } from '../judge/rule.ts';
import { readYaml } from '../judge/yaml-source.ts';
import { FORMAT_NAMES } from '../report/formats.ts';
import { SARIF_PROFILES } from '../report/report.ts';
import { bytesOf } from './option-parsers.ts';

export const CONFIG_NAME = 'narrowfire.yaml';

export const PROFILES = ['files', 'quick', 'standard', 'deep'] as const;
export const DEVICES = ['auto', 'cpu', 'cuda', 'webgpu', 'dml', 'coreml'] as const;
export const FAIL_ON = ['note', 'warning', 'error', 'none'] as const;
export const REDACTIONS = ['triggers', 'prompts', 'all'] as const;

const isoDate = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a date such as 2027-01-31');

const ignoreEntry = z
  .strictObject({
    rule: z.string().optional().describe('Rule id or name.'),
    path: z.string().optional().describe("Glob over the finding's path."),
    tensor: z.string().optional().describe('Tensor name, exactly.'),
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex')
      .optional()
      .describe('SHA-256 of the file.'),
    fingerprint: z.string().optional().describe('Fingerprint of one finding.'),
    reason: z.string().min(1).describe('Why this is accepted; shown in reports.'),
    until: isoDate.optional().describe('Last day on which it holds.'),
  })
  .refine(
    (entry) =>
      [entry.rule, entry.path, entry.tensor, entry.digest, entry.fingerprint].some(
        (value) => value !== undefined,
      ),
    'needs a rule, path, tensor, digest or fingerprint',
  );

export const configFile = z.strictObject({
  profile: z.enum(PROFILES).optional(),
  device: z.enum(DEVICES).optional(),
  workers: z.int().min(1).max(1024).optional(),
  memory: z
    .string()
    .refine((text) => bytesOf(text) !== undefined, 'must be a size such as 800MB or 4GiB')
    .optional()
    .describe('Most memory for running the model, such as 4GB.'),
  seed: z.int().min(0).optional(),
  budget: z.string().optional().describe('Wall-clock limit such as 90s or 5m.'),
  base: z.string().optional().describe('Base model folder, relative to this file.'),
  sae: z.string().optional().describe('Sparse autoencoder folder, relative to this file.'),
  corpus: z.string().optional().describe('Domain text, relative to this file.'),
  knownText: z
    .string()
    .optional()
    .describe('Texts that the model may know by heart, relative to this file.'),
  failOn: z.enum(FAIL_ON).optional(),
  baseline: z.string().optional().describe('Baseline file, relative to this file.'),
  calibration: z
    .string()
    .optional()
    .describe('Calibration file (narrowfire calibrate), relative to this file.'),
  redact: z.enum(REDACTIONS).optional(),
  ruleFolders: z.array(z.string()).optional().describe('Own rules, relative to this file.'),
  rules: z
    .record(
      z.string(),
      z.strictObject({
        enabled: z.boolean().optional(),
        level: z.enum(LEVELS).optional(),
        thresholds: z.record(z.string(), thresholdValue).optional(),
      }),
    )
    .optional()
    .describe('Changes to rules, by id or name.'),
  ignore: z.array(ignoreEntry).optional().describe('Accepted findings.'),
  output: z
    .partialRecord(z.enum(FORMAT_NAMES), z.string())
    .optional()
    .describe('Reports to write, as format: file.'),
  sarifProfile: z.enum(SARIF_PROFILES).optional(),
  maxResults: z.int().min(1).max(25_000).optional(),
});

export type ConfigFile = z.infer<typeof configFile>;

export interface Config extends ConfigFile {
  /** As shown to the user; absent when there is no file. */
  readonly file?: string;
  readonly ignores: readonly Ignore[];
}

export function configJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    ...z.toJSONSchema(configFile, { target: 'draft-7', io: 'input' }),
    title: 'narrowfire configuration',
  };
}

/** The nearest `narrowfire.yaml`, from `folder` upward. */
export function findConfig(folder: string): string | undefined {
  for (let current = resolve(folder); ; current = dirname(current)) {
    const candidate = join(current, CONFIG_NAME);
    if (existsSync(candidate)) return candidate;
    if (dirname(current) === current) return undefined;
  }
}

/** Whether `file` lies in one of the targets, links resolved. */
export function liesInTarget(file: string, targets: readonly string[]): boolean {
  const real = realpathSync(file);
  return targets.some((target) => {
    if (!existsSync(target)) return false;
    const root = realpathSync(target);
    return real === root || real.startsWith(root.endsWith(sep) ? root : root + sep);
  });
}

/** @throws ScanError `E_CONFIG` with file:line. */
export function readConfig(file: string, cwd: string): Config {
  const shown = relative(cwd, file) || file;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { message } = toScanError(error);
    throw new ScanError('E_CONFIG', message, { file: shown, cause: error });
  }
  const located = readYaml(text, shown, configFile, 'E_CONFIG');
  const folder = dirname(resolve(file));
  const { value } = located;
  const from = (path: string | undefined) =>
    path === undefined ? undefined : resolve(folder, path);
  return {
    ...value,
    file: shown,
    base: from(value.base),
    sae: from(value.sae),
    corpus: from(value.corpus),
    knownText: from(value.knownText),
    baseline: from(value.baseline),
    calibration: from(value.calibration),
    ruleFolders: value.ruleFolders?.map((path) => from(path) ?? path),
    output:
      value.output === undefined
        ? undefined
        : Object.fromEntries(
            Object.entries(value.output).map(([format, path]) => [format, from(path) ?? path]),
          ),
    ignores: (value.ignore ?? []).map((entry, index) => ({
      ...entry,
      source: `${shown}:${located.lineOf(['ignore', index])}`,
    })),
  };
}
