/** `narrowfire monitor`: watch features over prompts, log every prompt, end with 1 on an alarm. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { onEngine } from '../../engine/open-graph.ts';
import { ScanError } from '../../errors.ts';
import { EXIT } from '../../finding/exit-code.ts';
import { contrastFeatures } from '../../interpret/contrast.ts';
import {
  calibrate,
  type MonitorRecord,
  monitorPrompts,
  parseWatch,
  type Watched,
} from '../../interpret/monitor.ts';
import { type PromptFeatures, promptFeatures } from '../../interpret/prompt-features.ts';
import { readPrompts } from '../../interpret/prompts.ts';
import { jsonText } from '../../report/safe-text.ts';
import type { CommandHost } from '../main.ts';
import {
  addDictionaryOptions,
  addModelRunOptions,
  type DictionaryFlags,
  dictionariesFor,
  type ModelRunFlags,
  withModel,
} from '../model-run.ts';
import { collect, share, wholeNumber } from '../option-parsers.ts';

interface MonitorFlags extends ModelRunFlags, DictionaryFlags {
  readonly prompts: string;
  readonly watch?: readonly string[];
  readonly ordinary?: string;
  readonly suspicious?: string;
  readonly features: number;
  readonly quantile: number;
}

const EXAMPLES = `
Examples:
  narrowfire monitor ./model --sae ./sae --prompts today.jsonl --watch 'resid_post.2#17>3.5'
  narrowfire monitor ./model --sae ./sae --prompts today.jsonl --watch resid_post.2#17 --ordinary ordinary.jsonl
  narrowfire monitor ./model --sae ./sae --prompts today.jsonl --suspicious attacks.jsonl --ordinary ordinary.jsonl

One JSON line a prompt on stdout. Exit code 1 when any prompt raises an alarm.
`;

export function addMonitorCommand(program: Command, host: CommandHost): void {
  const command = program
    .command('monitor')
    .summary('watch features over prompts and alarm')
    .description(
      'Watches features over prompts, logs how strongly each fires and alarms above a threshold.',
    )
    .argument('<model>', 'model folder')
    .requiredOption('--prompts <file>', 'prompts to watch: JSON lines or one a line')
    .option(
      '--watch <feature>',
      'feature as site#number, or site#number>threshold (repeatable)',
      collect,
    )
    .option('--ordinary <file>', 'ordinary prompts that set the thresholds')
    .option('--suspicious <file>', 'prompts that choose the features, against --ordinary')
    .option('--features <n>', 'features that --suspicious chooses', wholeNumber(1), 4)
    .option('--quantile <share>', 'share of ordinary prompts below the threshold', share, 1)
    .addHelpText('after', EXAMPLES)
    .action(async (folder: string, flags: MonitorFlags) => {
      await runMonitor(folder, flags, host);
    });
  addModelRunOptions(addDictionaryOptions(command));
}

async function runMonitor(
  folder: string,
  flags: MonitorFlags,
  { io, exit }: CommandHost,
): Promise<void> {
  const prompts = readPrompts(resolve(io.cwd, flags.prompts));
  const optionally = (file: string | undefined) =>
    file === undefined ? undefined : readPrompts(resolve(io.cwd, file));
  const ordinary = optionally(flags.ordinary);
  const suspicious = optionally(flags.suspicious);
  const asked = (flags.watch ?? []).map(parseWatch);
  if (asked.length === 0 && suspicious === undefined) {
    throw new ScanError('E_USAGE', 'give --watch, or --suspicious and --ordinary');
  }
  const records = await withModel(folder, flags, io, async (run) => {
    const dictionaries = await dictionariesFor(run, flags, io.cwd);
    const read = (set: readonly string[]) =>
      promptFeatures(run.model, dictionaries, set, { open: onEngine(run.engine) });
    const known = ordinary === undefined ? undefined : await read(ordinary);
    const chosen =
      suspicious === undefined ? [] : choose(await read(suspicious), known, flags.features);
    const watched = thresholds([...asked, ...chosen], known, flags.quantile);
    return monitorPrompts(watched, await read(prompts));
  });
  for (const record of records) io.stdout(`${recordLine(record)}\n`);
  const alarms = records.filter(({ alarm }) => alarm).length;
  io.stderr(`${alarms} of ${records.length} prompts raise an alarm\n`);
  if (alarms > 0) exit(EXIT.findings);
}

function choose(
  suspicious: PromptFeatures,
  known: PromptFeatures | undefined,
  count: number,
): { readonly label: string }[] {
  if (known === undefined) throw new ScanError('E_USAGE', '--suspicious needs --ordinary');
  return contrastFeatures(suspicious, known)
    .filter(({ auc }) => auc > 0.5)
    .slice(0, count)
    .map(({ label }) => ({ label }));
}

function thresholds(
  wanted: readonly { readonly label: string; readonly threshold?: number }[],
  known: PromptFeatures | undefined,
  quantile: number,
): Watched[] {
  return wanted.flatMap(({ label, threshold }) => {
    if (threshold !== undefined) return [{ label, threshold }];
    if (known !== undefined) return calibrate([label], known, quantile);
    throw new ScanError('E_USAGE', `${label} has no threshold`, {
      hint: `Write '${label}>VALUE', or give --ordinary.`,
    });
  });
}

function recordLine(record: MonitorRecord): string {
  return jsonText(record);
}
