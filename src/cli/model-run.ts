/** What the commands that run a model share: its options, the engine's life, progress. */
import { availableParallelism } from 'node:os';
import { basename, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { chooseDevice, type DeviceChoice } from '../engine/device.ts';
import { Engine } from '../engine/engine.ts';
import { onEngine } from '../engine/open-graph.ts';
import { ScanError } from '../errors.ts';
import { loadDictionaries, trainQuickDictionaries } from '../interpret/site-dictionaries.ts';
import { type TextWindows, textWindows } from '../interpret/text-windows.ts';
import type { Site } from '../model/graphs/activations.ts';
import { type LayerPlan, workersWithin } from '../model/layer-groups.ts';
import { type Model, openModel } from '../model/open-model.ts';
import { resolvePlace } from '../model/site-names.ts';
import type { SiteDictionary } from '../sae/corpus-pass.ts';
import { DEVICES } from './config.ts';
import type { Io } from './io.ts';
import { planText } from './memory-text.ts';
import { byteSize, collect, wholeNumber } from './option-parsers.ts';
import { ProgressLine } from './progress.ts';

export interface ModelRunFlags {
  readonly device: DeviceChoice;
  readonly workers?: number;
  readonly memory?: number;
  readonly seed: number;
  readonly progress: boolean;
  readonly json?: boolean;
}

export interface TextFlags {
  readonly corpus?: readonly string[];
  readonly tokens: number;
  readonly window: number;
}

export function addModelRunOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--device <name>', 'where the model runs').choices(DEVICES).default('cpu'),
    )
    .option('--workers <n>', 'worker threads', wholeNumber(1))
    .option(
      '--memory <size>',
      'most memory to use; a larger model reads --corpus in groups of layers',
      byteSize,
    )
    .option('--seed <n>', 'seed of every random choice', wholeNumber(0), 0)
    .option('--json', 'print JSON')
    .option('--no-progress', 'no progress on stderr');
}

export function addTextOptions(command: Command, defaultTokens: number): Command {
  return command
    .option(
      '--corpus <file>',
      'text to run over, JSON lines or plain (repeatable); default: text that the model writes',
      collect,
    )
    .option('--tokens <n>', 'most tokens of text', wholeNumber(1024), defaultTokens)
    .option('--window <n>', 'tokens in one window', wholeNumber(8), 128);
}

export interface DictionaryFlags extends TextFlags {
  readonly sae?: readonly string[];
  readonly site?: readonly string[];
}

export function addDictionaryOptions(command: Command): Command {
  const withSae = command
    .option('--sae <path>', 'dictionaries to use (repeatable); default: train some now', collect)
    .option('--site <name>', 'where to train (repeatable); default: every block', collect);
  return addTextOptions(withSae, 32_768);
}

export interface ModelRun {
  readonly model: Model;
  readonly engine: Engine;
  /** Shows progress where that is wanted. */
  readonly tell: (label: string, done: number, total: number, unit: string) => void;
}

/** Opens model and engine, and closes the engine whatever happens. */
export async function withModel<T>(
  folder: string,
  flags: ModelRunFlags,
  io: Io,
  use: (run: ModelRun) => Promise<T>,
): Promise<T> {
  const model = openModel(resolve(io.cwd, folder));
  const device = await chooseDevice(flags.device);
  const memoryBytes = flags.memory;
  const asked = flags.workers ?? availableParallelism();
  const workers = workersWithin(model.spec, asked, memoryBytes);
  const progress = new ProgressLine({
    write: io.stderr,
    columns: io.columns,
    clock: () => performance.now(),
  });
  const shows = flags.progress && io.stderrIsTty && io.env['CI'] === undefined;
  const told = new Set<string>();
  const planned = (plan: LayerPlan) => {
    const text = planText(plan);
    if (!told.has(text)) io.stderr(`${text}\n`);
    told.add(text);
  };
  const bound = memoryBytes === undefined ? {} : { memoryBytes, planned };
  const engine = new Engine({ workers, device, ...bound });
  try {
    const result = await use({
      model,
      engine,
      tell: (label, done, total, unit) => {
        if (shows) {
          progress.show({ target: basename(folder), stage: 'features', label, done, total, unit });
        }
      },
    });
    model.weights.checkUnchanged();
    return result;
  } finally {
    progress.clear();
    await engine.close();
  }
}

/** Sites from names, in any of the known vocabularies. */
export function sitesOf(model: Model, names: readonly string[]): Site[] {
  return names.map((name) => {
    const place = resolvePlace(model.spec, name);
    if (place !== 'logits') return place;
    throw new ScanError('E_USAGE', 'logits are no site for a dictionary');
  });
}

/** The sites named, or the stream after every block. */
function sitesOrBlocks(model: Model, names: readonly string[] | undefined): Site[] {
  return sitesOf(model, names ?? model.spec.blocks.map((_, layer) => `resid_post.${layer}`));
}

/** Text that dictionaries are trained on and features are looked for in. */
export function windowsFor(
  { model, engine }: ModelRun,
  flags: TextFlags & ModelRunFlags,
  cwd: string,
): Promise<TextWindows> {
  return textWindows(model, engine, {
    corpora: (flags.corpus ?? []).map((file) => resolve(cwd, file)),
    length: flags.window,
    maxTokens: flags.tokens,
    seed: flags.seed,
  });
}

/** The dictionaries named, or quick ones for the sites named. */
export async function dictionariesFor(
  run: ModelRun,
  flags: DictionaryFlags & ModelRunFlags,
  cwd: string,
  windows?: TextWindows['windows'],
): Promise<SiteDictionary[]> {
  if (flags.sae !== undefined) return loadDictionaries(flags.sae.map((path) => resolve(cwd, path)));
  const text = windows ?? (await windowsFor(run, flags, cwd)).windows;
  return trainQuickDictionaries(run.model, sitesOrBlocks(run.model, flags.site), text, {
    seed: flags.seed,
    open: onEngine(run.engine),
    onProgress: (done, total) => run.tell('training', done, total, 'steps'),
  });
}
