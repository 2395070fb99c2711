/** Inputs of the GitHub Action. They come as `INPUT_*` environment variables only, never as text inside a script. */
import { z } from 'zod';
import { DEVICES, FAIL_ON, PROFILES, REDACTIONS } from '../cli/config.ts';
import { parseDuration } from '../cli/duration.ts';
import { ScanError } from '../errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const optional = z.string().transform((text) => (text === '' ? undefined : text));
/** Unset, so that the configuration can say it: GitHub does not tell an input from its default. */
const unsetOr = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(['', ...values]).transform((text) => (text === '' ? undefined : (text as Values[number])));
const auto = z.enum(['auto', 'true', 'false']);

const schema = z.object({
  paths: z.string().transform((text) =>
    text
      .split('\n')
      .map((line) => line.trim().replace(/^\.\//, '').replace(/\/+$/, ''))
      .filter((line) => line !== '' && line !== '.'),
  ),
  'changed-only': auto,
  'base-ref': optional,
  config: optional,
  rules: optional,
  profile: unsetOr(PROFILES),
  'fail-on': unsetOr(FAIL_ON),
  'fail-on-incomplete': flag,
  baseline: optional,
  calibration: optional,
  category: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be letters, digits, dots, _ and -'),
  upload: flag,
  annotations: flag,
  summary: flag,
  redact: z.enum([...REDACTIONS, 'none']),
  lfs: z.enum(['auto', 'never']),
  'max-download-bytes': z
    .string()
    .regex(/^\d{1,15}$/, 'must be a number of bytes')
    .transform(Number),
  device: unsetOr(DEVICES),
  threads: z
    .string()
    .regex(/^(|[1-9]\d{0,3})$/, 'must be a number of threads')
    .transform((text) => (text === '' ? undefined : Number(text))),
  budget: optional,
  cache: flag,
});

export type Inputs = z.output<typeof schema>;

/** What an input is when the environment does not set it; `action.yml` says the same, and a test compares them. */
export const DEFAULTS: Readonly<Record<keyof Inputs, string>> = {
  paths: '',
  'changed-only': 'auto',
  'base-ref': '',
  config: '',
  rules: '',
  profile: '',
  'fail-on': '',
  'fail-on-incomplete': 'true',
  baseline: '',
  calibration: '',
  category: 'narrowfire',
  upload: 'true',
  annotations: 'true',
  summary: 'true',
  redact: 'prompts',
  lfs: 'auto',
  'max-download-bytes': '8589934592',
  device: '',
  threads: '',
  budget: '',
  cache: 'true',
};

export const INPUT_NAMES = Object.keys(DEFAULTS) as readonly (keyof Inputs)[];

export function variableOf(name: string): string {
  return `INPUT_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** @throws ScanError `E_USAGE` that names the input. */
export function readInputs(env: Environment): Inputs {
  const given = Object.fromEntries(
    INPUT_NAMES.map((name) => {
      const text = env[variableOf(name)] ?? '';
      return [name, text === '' ? DEFAULTS[name] : text];
    }),
  );
  const checked = schema.safeParse(given);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    throw new ScanError('E_USAGE', `input ${issue?.path.join('.')}: ${issue?.message}`);
  }
  if (checked.data.budget !== undefined) parseDuration(checked.data.budget);
  return checked.data;
}
