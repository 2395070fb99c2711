/** `narrowfire circuit`: the attention heads and MLPs that carry the difference between two prompts. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { onEngine } from '../../engine/open-graph.ts';
import { ScanError } from '../../errors.ts';
import { type Circuit, findCircuit, type Interval } from '../../interpret/circuit.ts';
import { type PromptPair, readPairs } from '../../interpret/prompts.ts';
import type { CommandHost } from '../main.ts';
import { addModelRunOptions, type ModelRunFlags, withModel } from '../model-run.ts';
import { share, wholeNumber } from '../option-parsers.ts';
import { textTable } from '../table.ts';

interface CircuitFlags extends ModelRunFlags {
  readonly pairs?: string;
  readonly clean?: string;
  readonly corrupt?: string;
  readonly answer?: string;
  readonly other?: string;
  readonly threshold: number;
  readonly limit: number;
}

const EXAMPLES = `
Examples:
  narrowfire circuit ./model --clean 'One day, a girl named' --corrupt 'One day, a boy named'
  narrowfire circuit ./model --pairs pairs.jsonl --json

Each line of a pairs file is {"clean": ..., "corrupt": ..., "answer": ..., "other": ...}; the last two are optional.
Both prompts of a pair must have as many tokens.
`;

export function addCircuitCommand(program: Command, host: CommandHost): void {
  const command = program
    .command('circuit')
    .summary('find the heads and MLPs that carry a behaviour')
    .description(
      'Finds the attention heads and MLPs that carry the difference between two prompts, by activation patching.',
    )
    .argument('<model>', 'model folder')
    .option('--pairs <file>', 'pairs of prompts, JSON lines')
    .option('--clean <text>', 'prompt that shows the behaviour')
    .option('--corrupt <text>', 'prompt that does not, with as many tokens')
    .option('--answer <text>', "what the clean prompt leads to; default: the model's first choice")
    .option('--other <text>', "what the corrupt prompt leads to; default: the model's first choice")
    .option('--threshold <share>', 'least share of the behaviour that a member carries', share, 0.1)
    .option('--limit <n>', 'components listed', wholeNumber(1), 16)
    .addHelpText('after', EXAMPLES)
    .action(async (folder: string, flags: CircuitFlags) => {
      await runCircuit(folder, flags, host);
    });
  addModelRunOptions(command);
}

async function runCircuit(folder: string, flags: CircuitFlags, { io }: CommandHost): Promise<void> {
  const pairs = pairsOf(flags, io.cwd);
  const circuit = await withModel(folder, flags, io, ({ model, engine, tell }) =>
    findCircuit(model, pairs, {
      threshold: flags.threshold,
      seed: flags.seed,
      open: onEngine(engine),
      onProgress: (done, total) => tell('patching', done, total, 'pairs'),
    }),
  );
  if (flags.json === true) io.stdout(`${JSON.stringify(circuit)}\n`);
  else io.stdout(circuitText(circuit, flags.limit));
}

function pairsOf(flags: CircuitFlags, cwd: string): PromptPair[] {
  if (flags.pairs !== undefined) return readPairs(resolve(cwd, flags.pairs));
  const { clean, corrupt, answer, other } = flags;
  if (clean === undefined || corrupt === undefined) {
    throw new ScanError('E_USAGE', 'give --pairs, or --clean and --corrupt');
  }
  return [
    {
      clean,
      corrupt,
      ...(answer !== undefined && { answer }),
      ...(other !== undefined && { other }),
    },
  ];
}

function circuitText(circuit: Circuit, limit: number): string {
  const { pairs, skippedPairs, members } = circuit;
  const skipped =
    skippedPairs === 0 ? '' : `, ${skippedPairs} left out: their answers do not differ`;
  const table = textTable(
    ['component', 'noising', 'denoising', 'member'],
    circuit.effects
      .slice(0, limit)
      .map(({ name, noising, denoising }) => [
        name,
        intervalText(noising),
        intervalText(denoising),
        members.includes(name) ? 'yes' : '',
      ]),
  );
  return (
    `${pairs} pairs${skipped}. Effects are shares of the clean-corrupt logit difference, with 95 % intervals.\n\n` +
    `${table}\n` +
    `${members.length} members together: ${intervalText(circuit.together)} is lost without them ` +
    `(as many random components: ${intervalText(circuit.random)}); ` +
    `${intervalText(circuit.membersAlone)} is left with them alone.\n`
  );
}

export function intervalText({ mean, low, high }: Interval): string {
  return `${mean.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
}
