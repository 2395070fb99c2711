import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { JSON_SCHEMAS } from '../../../src/cli/commands/schema.ts';
import { BUILTIN_RULES, ruleFolders } from '../../../src/judge/load-rules.ts';
import { renderJson } from '../../../src/report/json.ts';
import { backdoored, clean, hostile, incomplete, render } from '../report/samples.ts';
import { run } from './run.ts';

const names = Object.keys(JSON_SCHEMAS) as (keyof typeof JSON_SCHEMAS)[];
const published = (name: string): object =>
  JSON.parse(readFileSync(`schemas/${name}.schema.json`, 'utf8')) as object;
const validator = (name: string) => new Ajv({ strict: false }).compile(published(name));

describe.each(names)('%s', (name) => {
  it('is published as the command prints it', async () => {
    const { stdout } = await run(['schema', name]);
    expect(published(name)).toEqual(JSON.parse(stdout));
  });
});

it('of rules accepts every shipped rule and refuses a wrong one', () => {
  const validate = validator('rule');
  for (const folder of ruleFolders(BUILTIN_RULES)) {
    const rule: unknown = parse(readFileSync(`${folder}/rule.yaml`, 'utf8'));
    expect(validate(rule), `${folder}: ${JSON.stringify(validate.errors)}`).toBe(true);
    expect(validate({ ...(rule as object), level: 'fatal' })).toBe(false);
  }
});

it('of results accepts what the json format writes', () => {
  const validate = validator('result');
  for (const sample of [backdoored(), clean(), incomplete(), hostile()]) {
    expect(validate(JSON.parse(render(renderJson(sample)))), JSON.stringify(validate.errors)).toBe(
      true,
    );
  }
});

it('of the configuration accepts the example of the documentation', () => {
  const example = /```yaml\n([\s\S]*?)```/.exec(readFileSync('docs/configuration.md', 'utf8'))?.[1];
  const validate = validator('config');
  expect(validate(parse(example ?? '')), JSON.stringify(validate.errors)).toBe(true);
  expect(validate({ failOn: 'always' })).toBe(false);
});
