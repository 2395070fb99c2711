/** The OASIS errata-01 schema as a check on text, beside the rules that code scanning adds. */
import { readFileSync } from 'node:fs';
import Ajv04 from 'ajv-draft-04';
import addFormats from 'ajv-formats';
import { lintSarif } from './sarif-lint.ts';

const ajv = new Ajv04.default({ strict: false, allErrors: false });
addFormats.default(ajv as never);
const validate = ajv.compile(
  JSON.parse(readFileSync(new URL('./sarif-schema-2.1.0.json', import.meta.url), 'utf8')) as object,
);

/** @returns what is wrong with a SARIF file; empty when it is valid */
export function sarifProblems(text: string): readonly string[] {
  const valid = validate(JSON.parse(text));
  const problems = valid ? [] : (validate.errors ?? []).map((error) => JSON.stringify(error));
  return [...problems.slice(0, 3), ...lintSarif(text)];
}
