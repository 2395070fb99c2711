/** Report options that `scan`, `convert` and `merge` share. */
import { randomBytes } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { ScanResult } from '../finding/finding.ts';
import type { Rule } from '../judge/rule.ts';
import { FORMAT_NAMES } from '../report/formats.ts';
import { type Redaction, redact } from '../report/redact.ts';
import { type ReportContext, SARIF_PROFILES } from '../report/report.ts';
import { REDACTIONS } from './config.ts';
import type { Io } from './io.ts';
import { collect, wholeNumber } from './option-parsers.ts';
import { type Output, writeOutputs } from './outputs.ts';

export interface ReportFlags {
  readonly output?: readonly string[];
  readonly fullOutput?: readonly string[];
  readonly format?: string;
  readonly redact?: Redaction;
  readonly sarifProfile?: ReportContext['sarifProfile'];
  readonly maxResults?: number;
  readonly category?: string;
  readonly showSuppressed?: boolean;
  readonly color: 'auto' | 'always' | 'never';
}

export function addReportOptions(command: Command): Command {
  return command
    .optionsGroup('Reports:')
    .option('--format <format>', `format on stdout: ${FORMAT_NAMES.join(', ')}`)
    .option('-o, --output <format=file>', 'write a report to a file (repeatable)', collect)
    .addOption(
      new Option(
        '--redact <what>',
        'replace by salted hashes, so that reports can be shared',
      ).choices(REDACTIONS),
    )
    .option(
      '--full-output <format=file>',
      'a report that --redact leaves whole (repeatable)',
      collect,
    )
    .addOption(new Option('--sarif-profile <name>', 'kind of SARIF').choices(SARIF_PROFILES))
    .option('--max-results <n>', 'most SARIF results; more are announced', wholeNumber(1))
    .option('--category <name>', 'SARIF category, for several scans of one commit')
    .option('--show-suppressed', 'list accepted findings too')
    .addOption(
      new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'),
    );
}

/**
 * The salt of redacted reports: `NARROWFIRE_REDACT_SALT` where hashes of several reports must agree, else random and
 * forgotten. It is never written anywhere: whoever has it can try guesses against the hashes.
 */
function saltFrom(io: Io): string {
  return io.env['NARROWFIRE_REDACT_SALT'] ?? randomBytes(16).toString('hex');
}

export interface Emission {
  readonly outputs: readonly Output[];
  readonly full: readonly Output[];
  readonly redaction: Redaction | undefined;
  readonly rules: readonly Rule[];
  readonly context: ReportContext;
}

/** Writes all reports, redacted where asked. @returns the number that could not be written. */
export function emit(result: ScanResult, emission: Emission, io: Io): number {
  const { outputs, redaction, rules, context } = emission;
  const shared = redaction === undefined ? result : redact(result, redaction, saltFrom(io), rules);
  return (
    writeOutputs(shared, outputs, context, io) + writeOutputs(result, emission.full, context, io)
  );
}
