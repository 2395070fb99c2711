/** `narrowfire redteam`: what features see of attacks, what answers show of them, and whether features carry them. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { onEngine } from '../../engine/open-graph.ts';
import { ScanError } from '../../errors.ts';
import type { Rate } from '../../evidence/evidence.ts';
import { readPrompts } from '../../interpret/prompts.ts';
import { type Assessment, assess, type DetectorScore } from '../../interpret/red-team.ts';
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

interface RedTeamFlags extends ModelRunFlags, DictionaryFlags {
  readonly attacks: string;
  readonly ordinary: string;
  readonly behaviour?: string;
  readonly features: number;
  readonly steps: number;
}

const EXAMPLES = `
Example:
  narrowfire redteam ./model --sae ./sae --attacks attacks.jsonl --ordinary ordinary.jsonl --behaviour 'Buy .* now'

Both detectors learn from one half of the prompts and are measured on the other half.
`;

export function addRedTeamCommand(program: Command, host: CommandHost): void {
  const command = program
    .command('redteam')
    .summary('compare circuit-level and output-level detection of attacks')
    .description(
      'Compares what features see of attacks with what the answers show, and tests whether taking the features out stops the attacks.',
    )
    .argument('<model>', 'model folder')
    .requiredOption('--attacks <file>', 'attack prompts: JSON lines or one a line')
    .requiredOption('--ordinary <file>', 'ordinary prompts')
    .option('--behaviour <pattern>', 'regular expression that a successful answer matches')
    .option('--features <n>', 'features of the circuit-level detector', wholeNumber(1), 4)
    .option('--steps <n>', 'tokens of an answer', wholeNumber(1), 32)
    .addHelpText('after', EXAMPLES)
    .action(async (folder: string, flags: RedTeamFlags) => {
      await runRedTeam(folder, flags, host);
    });
  addModelRunOptions(addDictionaryOptions(command));
}

async function runRedTeam(folder: string, flags: RedTeamFlags, { io }: CommandHost): Promise<void> {
  const attacks = readPrompts(resolve(io.cwd, flags.attacks));
  const ordinary = readPrompts(resolve(io.cwd, flags.ordinary));
  const behaviour = flags.behaviour === undefined ? undefined : patternOf(flags.behaviour);
  const result = await withModel(folder, flags, io, async (run) =>
    assess(run.model, await dictionariesFor(run, flags, io.cwd), attacks, ordinary, {
      features: flags.features,
      steps: flags.steps,
      seed: flags.seed,
      open: onEngine(run.engine),
      onProgress: (done, total) => run.tell('assessing', done, total, 'phases'),
      ...(behaviour !== undefined && { behaviour }),
    }),
  );
  io.stdout(flags.json === true ? `${JSON.stringify(result)}\n` : assessmentText(result));
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, 'su');
  } catch (cause) {
    throw new ScanError('E_USAGE', `--behaviour is no regular expression: ${String(cause)}`, {
      cause,
    });
  }
}

function assessmentText(result: Assessment): string {
  const detector = (name: string, { auc, pValue, caught, falseAlarms }: DetectorScore) => [
    name,
    auc.toFixed(3),
    pValue.toExponential(1),
    rateText(caught),
    rateText(falseAlarms),
  ];
  const detectors = textTable(
    ['detector', 'AUC', 'p', 'attacks caught', 'false alarms'],
    [detector('circuit level', result.circuitLevel), detector('output level', result.outputLevel)],
  );
  const features = textTable(
    ['feature', 'AUC', 'q', 'attacks fire it', 'ordinary fire it'],
    result.features.map(({ label, auc, qValue, firstShare, secondShare }) => [
      label,
      auc.toFixed(3),
      qValue.toExponential(1),
      percent(firstShare),
      percent(secondShare),
    ]),
  );
  const only = `Caught by features alone: ${result.onlyCircuit}; by the answer's wording alone: ${result.onlyOutput}.\n`;
  const { behaviour } = result;
  const effects =
    behaviour === undefined
      ? ''
      : `\n${textTable(
          ['behaviour', 'rate'],
          [
            ['attacks', rateText(behaviour.attackSuccess)],
            ['ordinary prompts', rateText(behaviour.ordinaryRate)],
            ['attacks, without the detecting features', rateText(behaviour.withoutDetecting)],
            ['attacks, without the carrying features', rateText(behaviour.withoutCarrying)],
            ['attacks, without as many random features', rateText(behaviour.withoutRandom)],
          ],
        )}Carrying: ${behaviour.carrying.join(', ')}\n`;
  return `${detectors}${only}\n${features}${effects}`;
}

function rateText({ hits, trials, low, high }: Rate): string {
  return `${hits}/${trials} [${percent(low)}, ${percent(high)}]`;
}

function percent(value: number): string {
  return `${(100 * value).toFixed(0)} %`;
}
