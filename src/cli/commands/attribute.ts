/** `narrowfire attribute`: the features that carry one response. */
import type { Command } from 'commander';
import { onEngine } from '../../engine/open-graph.ts';
import { attributeResponse } from '../../interpret/attribute.ts';
import { visibleLine } from '../../report/safe-text.ts';
import type { CommandHost } from '../main.ts';
import {
  addDictionaryOptions,
  addModelRunOptions,
  type DictionaryFlags,
  dictionariesFor,
  type ModelRunFlags,
  withModel,
} from '../model-run.ts';
import { wholeNumber } from '../option-parsers.ts';
import { textTable } from '../table.ts';

interface AttributeFlags extends ModelRunFlags, DictionaryFlags {
  readonly prompt: string;
  readonly response?: string;
  readonly steps: number;
  readonly limit: number;
}

export function addAttributeCommand(program: Command, host: CommandHost): void {
  const command = program
    .command('attribute')
    .summary('find the features that carry a response')
    .description(
      'Finds the features that carry a response: each that fires is taken out alone, and the fall of the log-probability of the response is measured.',
    )
    .argument('<model>', 'model folder')
    .requiredOption('--prompt <text>', 'prompt')
    .option('--response <text>', 'what follows; default: what the model writes')
    .option('--steps <n>', 'tokens to write without --response', wholeNumber(1), 12)
    .option('--limit <n>', 'features listed', wholeNumber(1), 15)
    .action(async (folder: string, flags: AttributeFlags) => {
      await runAttribute(folder, flags, host);
    });
  addModelRunOptions(addDictionaryOptions(command));
}

async function runAttribute(
  folder: string,
  flags: AttributeFlags,
  { io }: CommandHost,
): Promise<void> {
  const result = await withModel(folder, flags, io, async (run) =>
    attributeResponse(run.model, await dictionariesFor(run, flags, io.cwd), flags.prompt, {
      steps: flags.steps,
      limit: flags.limit,
      open: onEngine(run.engine),
      ...(flags.response !== undefined && { response: flags.response }),
    }),
  );
  if (flags.json === true) {
    io.stdout(`${JSON.stringify(result)}\n`);
    return;
  }
  io.stdout(
    `"${visibleLine(result.response)}"  ${result.logProbability.toFixed(3)} nats a token; ` +
      `${result.withoutStrongest.toFixed(3)} without the strongest feature of every site\n\n`,
  );
  io.stdout(
    textTable(
      ['feature', 'effect, nats a token', 'strongest', 'on'],
      result.features.map(({ site, feature, effect, strongest, token }) => [
        `${site}#${feature}`,
        effect.toFixed(4),
        strongest.toFixed(2),
        JSON.stringify(token),
      ]),
    ),
  );
}
