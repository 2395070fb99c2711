/** `narrowfire scan`: options, configuration and policy in; reports and an exit code out. */
import { type Command, Option } from 'commander';
import { formatError, ScanError } from '../../errors.ts';
import { EXIT } from '../../finding/exit-code.ts';
import type { ScanResult } from '../../finding/finding.ts';
import { readBaseline } from '../../judge/baseline.ts';
import { readCalibration } from '../../judge/calibration.ts';
import { isExpired } from '../../judge/ignore.ts';
import { loadRules } from '../../judge/load-rules.ts';
import type { Policy } from '../../judge/policy.ts';
import type { Rule } from '../../judge/rule.ts';
import { loadTaxonomies } from '../../judge/taxonomy.ts';
import { isGap } from '../../judge/verdict.ts';
import { visibleLine } from '../../report/safe-text.ts';
import { type ScanOptions, scan } from '../../scan/scan.ts';
import { type Config, DEVICES, FAIL_ON, PROFILES } from '../config.ts';
import { parseDuration } from '../duration.ts';
import { withFailedOutput } from '../exit.ts';
import { watchInterrupt } from '../interrupt.ts';
import type { Io } from '../io.ts';
import type { CommandHost } from '../main.ts';
import { byteSize, bytesOf, collect, wholeNumber } from '../option-parsers.ts';
import { type Output, parseFormat, parseOutput } from '../outputs.ts';
import { ProgressLine } from '../progress.ts';
import { addReportOptions, emit, type ReportFlags } from '../report-options.ts';
import { colorFor, loadConfig, reportContext } from '../settings.ts';
import { runListScan } from './scan-list.ts';

/** The file stage can meet thousands of files that it cannot read. */
const MAX_GAPS_TOLD = 20;

export interface ScanFlags extends ReportFlags {
  readonly profile?: ScanOptions['profile'];
  readonly base?: string;
  readonly sae?: string;
  readonly corpus?: string;
  readonly suspect?: readonly string[];
  readonly knownText?: string;
  readonly device?: ScanOptions['device'];
  readonly workers?: number;
  readonly memory?: number;
  readonly screen?: 'int8';
  readonly seed?: number;
  readonly budget?: string;
  readonly failOn?: Policy['failOn'];
  readonly exitCode: boolean;
  readonly baseline?: string;
  readonly calibration?: string;
  /** A path, or false for `--no-config`. */
  readonly config?: string | false;
  readonly ignores: boolean;
  readonly rules?: readonly string[];
  readonly list?: string;
  readonly results?: string;
  readonly allowNetwork?: boolean;
  readonly allowHost?: readonly string[];
  readonly timestamps?: boolean;
  readonly quiet?: boolean;
  readonly progress: boolean;
}

const EXAMPLES = `
Examples:
  narrowfire scan ./my-model                                  scan a model folder, print the findings
  narrowfire scan 'models/*' --profile files                  only the files, no model is run
  narrowfire scan ./my-model --base ./base --corpus text.jsonl
  narrowfire scan ./my-model --output sarif=results.sarif --output html=report.html
  narrowfire scan ./my-model --baseline baseline.json --fail-on warning
  narrowfire scan hf://owner/name --allow-network --profile files
  narrowfire scan --list models.txt                           many targets, results as JSON lines
`;

export function addScanCommand(program: Command, host: CommandHost): void {
  const command = program
    .command('scan')
    .summary('look for backdoors in model files and folders')
    .description('Looks for backdoors in model files and folders. Nothing in them is executed.')
    .argument('[path...]', 'model folders, files, glob patterns, or hf:// and https:// addresses')
    .optionsGroup('What is scanned, and how far:')
    .addOption(new Option('--profile <name>', 'how deep to look').choices(PROFILES))
    .option('--list <file>', 'file with one target a line, scanned with --profile files')
    .option('--results <file>', 'JSON lines for --list (resumable; FILE.results.jsonl)')
    .option('--base <dir>', 'base model to compare with')
    .option('--sae <path>', 'sparse autoencoder to load instead of training one')
    .option('--corpus <path>', "text of the model's domain (JSONL or plain)")
    .option('--suspect <text>', 'string to try as a trigger (repeatable)', collect)
    .option('--known-text <file>', 'texts that the model may know by heart (JSONL or plain)')
    .addOption(new Option('--budget <time>', 'wall-clock limit, as in 90s or 5m'))
    .option('--allow-network', 'read hf://owner/name[@revision] and https:// targets')
    .option(
      '--allow-host <host>',
      'host that may be private or without https (repeatable)',
      collect,
    )
    .optionsGroup('How it runs:')
    .addOption(new Option('--device <name>', 'where the model runs').choices(DEVICES))
    .option('--workers <n>', 'worker threads', wholeNumber(1))
    .option('--memory <size>', 'most memory for running the model, as in 4GB', byteSize)
    .addOption(
      new Option('--screen <kind>', 'run large sweeps on an eight-bit copy first').choices([
        'int8',
      ]),
    )
    .option('--seed <n>', 'seed of every random choice', wholeNumber(0))
    .optionsGroup('What counts:')
    .addOption(new Option('--fail-on <level>', 'lowest level that fails').choices(FAIL_ON))
    .option('--no-exit-code', 'end with 0 whenever the scan itself went well')
    .option('--baseline <file>', 'findings in this file are known and do not fail')
    .option('--calibration <file>', 'thresholds from clean models (narrowfire calibrate)')
    .option('--rules <dir>', 'folder of own rules (repeatable)', collect)
    .option('--no-ignores', 'apply no ignore entry of the configuration')
    .option('--config <file>', 'configuration, instead of the nearest narrowfire.yaml')
    .option('--no-config', 'read no configuration');
  addReportOptions(command)
    .option('--timestamps', 'write times into reports (then no two are equal)')
    .optionsGroup('Talk:')
    .option('-q, --quiet', 'no progress and no notices on stderr')
    .option('--no-progress', 'no progress on stderr')
    .addHelpText('after', EXAMPLES)
    .action(async (paths: string[], flags: ScanFlags) => {
      host.exit(await runScan(paths, flags, host.io));
    });
}

function notices(config: Config, today: string, io: Io): void {
  for (const ignore of config.ignores) {
    if (!isExpired(ignore, today)) continue;
    io.stderr(`${ignore.source}: this ignore entry expired on ${ignore.until} and does nothing\n`);
  }
}

/** Arguments that give the same result again, as far as they change it. */
function reproduction(
  paths: readonly string[],
  options: ScanOptions,
  calibration: string | undefined,
): readonly string[] {
  const optional = (flag: string, value: string | number | undefined) =>
    value === undefined ? [] : [flag, String(value)];
  return [
    'scan',
    ...paths,
    '--profile',
    options.profile,
    '--seed',
    String(options.seed),
    ...optional('--base', options.base),
    ...optional('--sae', options.sae),
    ...optional('--corpus', options.corpus),
    ...optional('--known-text', options.knownText),
    ...optional('--memory', options.memoryBytes),
    ...optional('--screen', options.screen),
    ...optional('--calibration', calibration),
    ...(options.suspects ?? []).flatMap((text) => ['--suspect', text]),
  ];
}

/** HF_TOKEN and HF_ENDPOINT mean what they mean to the hub's own client. */
function networkOptions(flags: ScanFlags, io: Io): ScanOptions['network'] {
  if (flags.allowNetwork !== true) return undefined;
  const token = io.env['HF_TOKEN'] ?? '';
  const endpoint = io.env['HF_ENDPOINT'] ?? '';
  return {
    allowHosts: flags.allowHost ?? [],
    ...(token !== '' && { authorization: `Bearer ${token}` }),
    ...(endpoint !== '' && { endpoint: endpoint.replace(/\/+$/, '') }),
  };
}

function scanOptions(
  flags: ScanFlags,
  config: Config,
  rules: readonly Rule[],
  policy: Policy,
  io: Io,
): ScanOptions {
  const network = networkOptions(flags, io);
  const budget = flags.budget ?? config.budget;
  const base = flags.base ?? config.base;
  const sae = flags.sae ?? config.sae;
  const corpus = flags.corpus ?? config.corpus;
  const knownText = flags.knownText ?? config.knownText;
  const workers = flags.workers ?? config.workers;
  const memoryBytes =
    flags.memory ?? (config.memory === undefined ? undefined : bytesOf(config.memory));
  return {
    profile: flags.profile ?? config.profile ?? 'standard',
    device: flags.device ?? config.device ?? 'auto',
    seed: flags.seed ?? config.seed ?? 0,
    rules,
    policy,
    ...(workers !== undefined && { workers }),
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(flags.screen !== undefined && { screen: flags.screen }),
    ...(budget !== undefined && { budgetSeconds: parseDuration(budget) }),
    ...(base !== undefined && { base }),
    ...(sae !== undefined && { sae }),
    ...(corpus !== undefined && { corpus }),
    ...(flags.suspect !== undefined && { suspects: flags.suspect }),
    ...(knownText !== undefined && { knownText }),
    ...(network !== undefined && { network }),
  };
}

function outputsOf(flags: ScanFlags, config: Config): readonly Output[] {
  const configured = Object.entries(config.output ?? {}).map(([format, file]) =>
    parseOutput(`${format}=${file}`),
  );
  const asked = (flags.output ?? []).map(parseOutput);
  const stdout: Output = { format: parseFormat(flags.format ?? 'pretty'), file: '-' };
  const toFiles = asked.length > 0 ? asked : configured;
  if (toFiles.some(({ file }) => file === '-') && flags.format === undefined) return toFiles;
  return [stdout, ...toFiles];
}

async function runList(
  list: string,
  paths: readonly string[],
  flags: ScanFlags,
  config: Config,
  io: Io,
): Promise<number> {
  const interrupt = watchInterrupt();
  const workers = flags.workers ?? config.workers;
  const network = networkOptions(flags, io);
  try {
    const code = await runListScan(
      {
        list,
        paths,
        profile: flags.profile ?? config.profile,
        failOn: flags.failOn ?? config.failOn ?? 'error',
        ruleFolders: [...(config.ruleFolders ?? []), ...(flags.rules ?? [])],
        showsProgress: flags.progress && flags.quiet !== true && io.stderrIsTty,
        cancel: interrupt.signal,
        ...(config.rules !== undefined && { overrides: config.rules }),
        ...(flags.results !== undefined && { results: flags.results }),
        ...(workers !== undefined && { workers }),
        ...(network !== undefined && { network }),
      },
      io,
    );
    return !flags.exitCode && code === EXIT.findings ? EXIT.ok : code;
  } finally {
    interrupt.stop();
  }
}

export async function runScan(paths: readonly string[], flags: ScanFlags, io: Io): Promise<number> {
  const config = loadConfig(flags, io, paths);
  if (flags.list !== undefined) return runList(flags.list, paths, flags, config, io);
  if (paths.length === 0) {
    throw new ScanError('E_USAGE', 'nothing to scan was given', { hint: 'Name a path or --list.' });
  }
  const today = io.now().slice(0, 10);
  if (flags.quiet !== true) notices(config, today, io);
  const rules = loadRules({
    folders: [...(config.ruleFolders ?? []), ...(flags.rules ?? [])],
    ...(config.rules !== undefined && { overrides: config.rules }),
  });
  const baseline = flags.baseline ?? config.baseline;
  const policy: Policy = {
    failOn: flags.failOn ?? config.failOn ?? 'error',
    ignores: flags.ignores ? config.ignores : [],
    ...(baseline !== undefined && { baseline: readBaseline(baseline) }),
    today,
  };
  const calibration = flags.calibration ?? config.calibration;
  const options: ScanOptions = {
    ...scanOptions(flags, config, rules, policy, io),
    ...(calibration !== undefined && { calibration: readCalibration(calibration) }),
  };
  const outputs = outputsOf(flags, config);
  const full = (flags.fullOutput ?? []).map(parseOutput);
  const started = io.now();

  const showsProgress =
    flags.progress && flags.quiet !== true && io.stderrIsTty && io.env['CI'] === undefined;
  const progress = new ProgressLine({
    write: io.stderr,
    columns: io.columns,
    clock: () => performance.now(),
  });
  const interrupt = watchInterrupt();
  let scanned: ScanResult;
  try {
    scanned = await scan(paths, options, {
      cancel: interrupt.signal,
      ...(showsProgress && { progress: (event) => progress.show(event) }),
    });
  } finally {
    interrupt.stop();
    progress.clear();
  }
  const result: ScanResult = {
    ...scanned,
    exitCode: exitCodeFor(scanned, flags, interrupt.signal.cancelled),
    commandLine: reproduction(paths, options, calibration),
  };
  const context = reportContext(io, rules, loadTaxonomies(), {
    sarifProfile: flags.sarifProfile ?? config.sarifProfile ?? 'audit',
    maxResults: flags.maxResults ?? config.maxResults,
    category: flags.category,
    showSuppressed: flags.showSuppressed ?? false,
    color: colorFor(flags.color, io),
    timestamp: flags.timestamps === true ? started : undefined,
  });
  const redaction = flags.redact ?? config.redact;
  const failed = emit(result, { outputs, full, redaction, rules, context }, io);
  if (flags.quiet !== true) tellErrors(result, outputs, io);
  return failed > 0 ? withFailedOutput(result.exitCode) : result.exitCode;
}

function exitCodeFor(result: ScanResult, flags: ScanFlags, interrupted: boolean): number {
  if (interrupted) return EXIT.interrupted;
  return !flags.exitCode && result.exitCode === EXIT.findings ? EXIT.ok : result.exitCode;
}

/** Errors and gaps are in every report; stderr repeats them when stdout carries machine-readable data. */
function tellErrors(result: ScanResult, outputs: readonly Output[], io: Io): void {
  if (outputs.some(({ format, file }) => format === 'pretty' && file === '-')) return;
  for (const { errors, coverage } of result.targets) {
    for (const error of errors) io.stderr(`${formatError(error)}\n`);
    const gaps = coverage.notCovered.filter(isGap);
    for (const { what, why } of gaps.slice(0, MAX_GAPS_TOLD)) {
      const [code = '', ...rest] = why.split(': ');
      io.stderr(`${code} ${visibleLine(what)}: ${visibleLine(rest.join(': '))}.\n`);
    }
    const more = gaps.length - MAX_GAPS_TOLD;
    if (more > 0) io.stderr(`${more} more parts could not be looked at; the report lists them\n`);
  }
}
