/** `narrowfire calibrate`: clean models in, a calibration file for `scan --calibration` out. */
import { basename, extname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ScanError } from '../../errors.ts';
import { EXIT } from '../../finding/exit-code.ts';
import { percent } from '../../judge/apply-calibration.ts';
import {
  type CalibratedRule,
  type CalibrationFile,
  formatCalibration,
  parseCalibration,
} from '../../judge/calibration.ts';
import { lowestAlpha, modelsNeeded } from '../../judge/conformal.ts';
import { loadRules } from '../../judge/load-rules.ts';
import { visibleLine } from '../../report/safe-text.ts';
import { writeReport } from '../../report/write-report.ts';
import { calibrateModels, type ModelOutcome } from '../../scan/calibrate.ts';
import type { ScanOptions } from '../../scan/scan.ts';
import { DEVICES, PROFILES } from '../config.ts';
import { formatDuration } from '../duration.ts';
import { watchInterrupt } from '../interrupt.ts';
import type { Io } from '../io.ts';
import type { CommandHost } from '../main.ts';
import { collect, wholeNumber } from '../option-parsers.ts';
import { ProgressLine } from '../progress.ts';
import { loadConfig } from '../settings.ts';

interface CalibrateFlags {
  readonly out: string;
  readonly name?: string;
  readonly alpha: number;
  readonly profile?: ScanOptions['profile'];
  readonly base?: string;
  readonly corpus?: string;
  readonly device?: ScanOptions['device'];
  readonly workers?: number;
  readonly seed?: number;
  readonly rules?: readonly string[];
  readonly config?: string | false;
  readonly quiet?: boolean;
  readonly progress: boolean;
}

const EXAMPLES = `
Examples:
  narrowfire calibrate 'clean-models/*' --out calibration.json
  narrowfire calibrate 'clean-models/*' --profile quick --alpha 0.1
  narrowfire scan ./my-model --calibration calibration.json
`;

function alphaOf(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value < 1) return value;
  throw new InvalidArgumentError('It must be a number above 0 and below 1.');
}

export function addCalibrateCommand(program: Command, { io, exit }: CommandHost): void {
  program
    .command('calibrate')
    .summary('thresholds from clean models of your own')
    .description(
      'Scans models that are known to be clean and writes the thresholds that follow, with the false-alarm rate that they certify.',
    )
    .argument('<model...>', 'clean model folders, files or glob patterns')
    .option('-o, --out <file>', 'where the calibration goes', 'calibration.json')
    .option('--name <name>', "its name in findings (default: the file's)")
    .option('--alpha <rate>', 'false-alarm rate to certify', alphaOf, 0.05)
    .addOption(new Option('--profile <name>', 'as in the scans to come').choices(PROFILES))
    .option('--base <dir>', 'base model that all of them are compared with')
    .option('--corpus <path>', "text of the models' domain")
    .addOption(new Option('--device <name>', 'where models run').choices(DEVICES))
    .option('--workers <n>', 'worker threads', wholeNumber(1))
    .option('--seed <n>', 'seed of every random choice', wholeNumber(0))
    .option('--rules <dir>', 'folder of own rules (repeatable)', collect)
    .option('--config <file>', 'configuration, instead of the nearest narrowfire.yaml')
    .option('--no-config', 'read no configuration')
    .option('-q, --quiet', 'no progress and no notices on stderr')
    .option('--no-progress', 'no progress on stderr')
    .addHelpText('after', EXAMPLES)
    .action(async (paths: string[], flags: CalibrateFlags) => {
      exit(await runCalibrate(paths, flags, io));
    });
}

function optionsFor(paths: readonly string[], flags: CalibrateFlags, io: Io) {
  const config = loadConfig(flags, io, paths);
  const base = flags.base ?? config.base;
  const corpus = flags.corpus ?? config.corpus;
  const workers = flags.workers ?? config.workers;
  return {
    name: flags.name ?? basename(flags.out, extname(flags.out)),
    alpha: flags.alpha,
    profile: flags.profile ?? config.profile ?? 'standard',
    device: flags.device ?? config.device ?? 'auto',
    seed: flags.seed ?? config.seed ?? 0,
    rules: loadRules({
      folders: [...(config.ruleFolders ?? []), ...(flags.rules ?? [])],
      ...(config.rules !== undefined && { overrides: config.rules }),
    }),
    ...(base !== undefined && { base }),
    ...(corpus !== undefined && { corpus }),
    ...(workers !== undefined && { workers }),
  };
}

async function runCalibrate(
  paths: readonly string[],
  flags: CalibrateFlags,
  io: Io,
): Promise<number> {
  const options = optionsFor(paths, flags, io);
  const talks = flags.progress && flags.quiet !== true;
  const progress = new ProgressLine({
    write: io.stderr,
    columns: io.columns,
    clock: () => performance.now(),
  });
  const interrupt = watchInterrupt();
  const started = performance.now();
  try {
    const { calibration, outcomes } = await calibrateModels(paths, options, {
      cancel: interrupt.signal,
      ...(talks &&
        io.stderrIsTty &&
        io.env['CI'] === undefined && { progress: (event) => progress.show(event) }),
      onModel: (outcome, done, total) => {
        progress.clear();
        const spent = (performance.now() - started) / 1000;
        tellModel(outcome, talks ? clock(done, total, spent) : undefined, io);
      },
    });
    if (calibration === undefined) {
      throw new ScanError('E_NOTHING_TO_SCAN', 'no model could be scanned, so nothing was written');
    }
    const text = formatCalibration(calibration);
    // A name from the command line must hold for the reader too.
    parseCalibration(text, flags.out);
    writeReport(flags.out, [text]);
    for (const line of summary(calibration, flags.out)) io.stdout(`${line}\n`);
    return outcomes.some(({ left }) => left !== undefined) ? EXIT.incomplete : EXIT.ok;
  } finally {
    interrupt.stop();
    progress.clear();
  }
}

function clock(done: number, total: number, seconds: number): string {
  const left =
    done < total ? `, about ${formatDuration((seconds / done) * (total - done))} left` : '';
  return `${done}/${total} after ${formatDuration(seconds)}${left}`;
}

function tellModel(outcome: ModelOutcome, when: string | undefined, io: Io): void {
  const path = visibleLine(outcome.path);
  if (outcome.left !== undefined) {
    io.stderr(`${path}: left out: ${visibleLine(outcome.left)}\n`);
  } else if (when !== undefined) {
    io.stderr(`${when}: ${path} (${outcome.model?.modelClass ?? 'unknown'})\n`);
  }
  if (outcome.errors.length > 0) {
    io.stderr(`${path}: the shipped thresholds give ${outcome.errors.join(', ')}; is it clean?\n`);
  }
}

function* summary(calibration: CalibrationFile, file: string): Iterable<string> {
  const { groups, alpha, settings, name } = calibration;
  yield `${file}: calibration ${name}, profile ${settings.profile}, alpha ${alpha}`;
  for (const { modelClass, models, rules } of groups) {
    yield '';
    yield `${visibleLine(modelClass)}, ${models.length} clean model${models.length === 1 ? '' : 's'}`;
    const needed = modelsNeeded(alpha);
    if (models.length < needed) {
      yield `  too few for ${percent(alpha)}, which needs ${needed}: they certify ${percent(lowestAlpha(models.length))} at best (--alpha ${Number((lowestAlpha(models.length) + 5e-4).toFixed(3))}). Thresholds stay; findings get p-values.`;
    }
    for (const rule of rules.filter(({ scores }) => scores.length > 0)) {
      yield ruleLine(rule, models.length);
    }
    const silent = rules.filter(({ scores }) => scores.length === 0).map(({ ruleId }) => ruleId);
    if (silent.length > 0) yield `  nothing to measure: ${silent.join(', ')}`;
  }
}

function ruleLine(rule: CalibratedRule, models: number): string {
  const { ruleId, statistic, threshold, shipped, scores, above, certifies } = rule;
  const show = (value: number | undefined) => String(Number((value ?? 0).toPrecision(4)));
  const reach = scores.filter((score) => score >= shipped).length;
  const measured = scores.length < models ? ` (${scores.length} of ${models})` : '';
  const range = `${show(scores[0])} to ${show(scores.at(-1))}${measured}`;
  const verdict =
    above === null || certifies === null
      ? 'unchanged'
      : `above ${show(above)}, certifies ${percent(certifies)}`;
  return `  ${ruleId} ${statistic}: ${range}; ${threshold} ${show(shipped)}, which ${reach} reach; now ${verdict}`;
}
