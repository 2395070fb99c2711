/** Reads a stored result for `convert`, `merge`, `baseline` and `explain`; the file may come from anybody. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ERROR_CODES, ScanError, toScanError } from '../errors.ts';
import type { ScanResult } from '../finding/finding.ts';

const rate = z.object({
  hits: z.number(),
  trials: z.number(),
  rate: z.number(),
  low: z.number(),
  high: z.number(),
});

const finding = z.looseObject({
  ruleId: z.string(),
  ruleName: z.string(),
  level: z.enum(['error', 'warning', 'note']),
  message: z.string(),
  path: z.string(),
  location: z
    .object({
      member: z.string().optional(),
      byteOffset: z.number().optional(),
      byteLength: z.number().optional(),
      line: z.number().optional(),
      tensor: z.string().optional(),
      key: z.string().optional(),
    })
    .optional(),
  fingerprint: z.string(),
  trigger: z
    .looseObject({
      text: z.string(),
      tokenIds: z.array(z.number()),
      minimalText: z.string(),
      rate,
      controlRate: rate,
      contexts: z.number(),
    })
    .optional(),
  behaviour: z
    .looseObject({ kind: z.string(), text: z.string(), similarity: z.number() })
    .optional(),
  calibrated: z
    .object({
      name: z.string(),
      statistic: z.string(),
      value: z.number(),
      pValue: z.number(),
      models: z.number(),
    })
    .optional(),
  evidence: z.array(z.looseObject({ kind: z.string(), path: z.string() })),
  taxa: z.array(z.string()),
  suppression: z
    .object({ reason: z.string(), expires: z.string().optional(), source: z.string() })
    .optional(),
  baselineState: z.enum(['new', 'unchanged', 'updated', 'absent']).optional(),
});

const serializedError = z.object({
  code: z.enum(Object.keys(ERROR_CODES) as [keyof typeof ERROR_CODES]),
  message: z.string(),
  file: z.string().optional(),
  byteOffset: z.number().optional(),
  hint: z.string().optional(),
});

const verdict = z.enum(['fail', 'pass', 'incomplete']);

const resultSchema = z.looseObject({
  schema: z.literal('narrowfire/result/v1'),
  tool: z.object({ name: z.literal('narrowfire'), version: z.string() }),
  verdict,
  exitCode: z.number().int(),
  failOn: z.enum(['error', 'warning', 'note', 'none']).optional(),
  redaction: z.enum(['triggers', 'prompts', 'all']).optional(),
  commandLine: z.array(z.string()).optional(),
  calibration: z
    .object({ name: z.string(), sha256: z.string().optional(), basis: z.string() })
    .optional(),
  targets: z.array(
    z.looseObject({
      path: z.string(),
      kind: z.string(),
      sha256: z.string().optional(),
      verdict,
      findings: z.array(finding),
      coverage: z.object({
        stages: z.array(
          z.object({
            stage: z.string(),
            status: z.enum(['done', 'skipped', 'incomplete']),
            tokens: z.number().optional(),
            detail: z.string().optional(),
          }),
        ),
        notCovered: z.array(z.object({ what: z.string(), why: z.string() })),
      }),
      cost: z.looseObject({ tokens: z.number(), device: z.string() }),
      errors: z.array(serializedError),
      files: z
        .array(
          z.object({
            path: z.string(),
            byteLength: z.number(),
            sha256: z.string().optional(),
          }),
        )
        .optional(),
      calibration: z
        .object({
          name: z.string(),
          modelClass: z.string().optional(),
          models: z.number(),
          thresholds: z.array(
            z.object({
              ruleId: z.string(),
              threshold: z.string(),
              shipped: z.number(),
              above: z.number(),
              certifies: z.number(),
            }),
          ),
          notApplied: z.array(z.string()),
          withheld: z.array(
            z.object({
              ruleId: z.string(),
              level: z.enum(['error', 'warning', 'note']),
              value: z.number(),
              pValue: z.number(),
            }),
          ),
        })
        .optional(),
    }),
  ),
});

export function resultJsonSchema(): Readonly<Record<string, unknown>> {
  return { ...z.toJSONSchema(resultSchema, { target: 'draft-7' }), title: 'narrowfire result v1' };
}

/** @throws ScanError `E_FORMAT` when it is no result of this version. */
export function parseResult(text: string, file: string): ScanResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ScanError('E_FORMAT', 'not JSON', { file, cause: error });
  }
  const checked = resultSchema.safeParse(value);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const where = issue?.path.map(String).join('.') ?? '';
    throw new ScanError('E_FORMAT', `not a narrowfire/result/v1: ${where}: ${issue?.message}`, {
      file,
      hint: 'Write one with scan --output json=FILE.',
    });
  }
  return checked.data as unknown as ScanResult;
}

export function readResult(file: string): ScanResult {
  try {
    return parseResult(readFileSync(file, 'utf8'), file);
  } catch (error) {
    throw toScanError(error, file);
  }
}
