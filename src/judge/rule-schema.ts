/** The published JSON schema of a rule file (`schemas/rule.schema.json`), made from the schema that the loader uses. */
import { z } from 'zod';
import { ruleFile } from './rule.ts';

export function ruleJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    ...z.toJSONSchema(ruleFile, { target: 'draft-7', io: 'input' }),
    title: 'narrowfire rule',
    description: 'A rule turns one kind of evidence into findings.',
  };
}
