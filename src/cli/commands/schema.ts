/** `narrowfire schema`: the JSON schemas that editors and other tools can check files with. */
import { Argument, type Command } from 'commander';
import { calibrationJsonSchema } from '../../judge/calibration.ts';
import { ruleJsonSchema } from '../../judge/rule-schema.ts';
import { resultJsonSchema } from '../../report/read-result.ts';
import { configJsonSchema } from '../config.ts';
import type { CommandHost } from '../main.ts';

export const JSON_SCHEMAS = {
  config: configJsonSchema,
  rule: ruleJsonSchema,
  result: resultJsonSchema,
  calibration: calibrationJsonSchema,
} as const;

export function addSchemaCommand(program: Command, { io }: CommandHost): void {
  program
    .command('schema')
    .summary('print a JSON schema')
    .description(
      'Prints the JSON schema of narrowfire.yaml, of a rule file, of a result, or of a calibration.',
    )
    .addArgument(new Argument('<what>').choices(Object.keys(JSON_SCHEMAS)))
    .addHelpText('after', '\nExamples:\n  narrowfire schema config > narrowfire.schema.json\n')
    .action((what: keyof typeof JSON_SCHEMAS) => {
      io.stdout(`${JSON.stringify(JSON_SCHEMAS[what](), null, 2)}\n`);
    });
}
