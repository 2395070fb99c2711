/** `narrowfire convert` and `merge`: stored results to other reports, and several results to one. */
import type { Command } from 'commander';
import { ScanError } from '../../errors.ts';
import type { ScanResult } from '../../finding/finding.ts';
import { loadRules } from '../../judge/load-rules.ts';
import { mergeResults } from '../../judge/merge.ts';
import { loadTaxonomies } from '../../judge/taxonomy.ts';
import { readResult } from '../../report/read-result.ts';
import { withFailedOutput } from '../exit.ts';
import type { Io } from '../io.ts';
import type { CommandHost } from '../main.ts';
import { collect } from '../option-parsers.ts';
import { parseFormat, parseOutput } from '../outputs.ts';
import { addReportOptions, emit, type ReportFlags } from '../report-options.ts';
import { colorFor, reportContext } from '../settings.ts';

interface ConvertFlags extends ReportFlags {
  readonly rules?: readonly string[];
}

export function addConvertCommands(program: Command, { io, exit }: CommandHost): void {
  const convert = program
    .command('convert')
    .summary('make other reports of a stored result')
    .description(
      'Makes other reports of a stored result (JSON). Ends with 0 when all were written.',
    )
    .argument('<result>', 'result JSON of an earlier scan')
    .option('--rules <dir>', 'folder of own rules (repeatable)', collect);
  addReportOptions(convert)
    .addHelpText(
      'after',
      '\nExamples:\n  narrowfire convert result.json --format html > report.html\n  narrowfire convert result.json -o sarif=shared.sarif --redact triggers\n',
    )
    .action((file: string, flags: ConvertFlags) => {
      const failed = write(readResult(file), flags, 'pretty', io);
      exit(failed > 0 ? withFailedOutput(0) : 0);
    });
  const merge = program
    .command('merge')
    .summary('join the results of several scans')
    .description('Joins stored results, such as those of shards. Ends with the joined exit code.')
    .argument('<result...>', 'result JSON files')
    .option('--rules <dir>', 'folder of own rules (repeatable)', collect);
  addReportOptions(merge)
    .addHelpText(
      'after',
      '\nExamples:\n  narrowfire merge shard-*.json -o json=all.json -o sarif=all.sarif\n',
    )
    .action((files: string[], flags: ConvertFlags) => {
      const merged = mergeResults(files.map(readResult));
      const failed = write(merged, flags, 'json', io);
      exit(failed > 0 ? withFailedOutput(merged.exitCode) : merged.exitCode);
    });
}

function write(result: ScanResult, flags: ConvertFlags, standard: string, io: Io): number {
  if (flags.redact !== undefined && result.redaction !== undefined) {
    throw new ScanError('E_USAGE', 'this result is redacted already');
  }
  const rules = loadRules({ folders: flags.rules ?? [] });
  const files = (flags.output ?? []).map(parseOutput);
  const format = flags.format ?? (files.length === 0 ? standard : undefined);
  const outputs =
    format === undefined ? files : [{ format: parseFormat(format), file: '-' }, ...files];
  const context = reportContext(io, rules, loadTaxonomies(), {
    sarifProfile: flags.sarifProfile ?? 'audit',
    maxResults: flags.maxResults,
    category: flags.category,
    showSuppressed: flags.showSuppressed ?? false,
    color: colorFor(flags.color, io),
    timestamp: undefined,
  });
  const full = (flags.fullOutput ?? []).map(parseOutput);
  return emit(result, { outputs, full, redaction: flags.redact, rules, context }, io);
}
