/** `--output FORMAT=FILE`: every report is tried, and the ones that fail are told on stderr. */
import { formatError, ScanError, toScanError } from '../errors.ts';
import type { ScanResult } from '../finding/finding.ts';
import { FORMAT_NAMES, FORMATS, type FormatName, isFormat } from '../report/formats.ts';
import type { ReportContext } from '../report/report.ts';
import { writeReport } from '../report/write-report.ts';
import type { Io } from './io.ts';

export interface Output {
  readonly format: FormatName;
  /** `-` is stdout. */
  readonly file: string;
}

export function parseFormat(name: string): FormatName {
  if (isFormat(name)) return name;
  throw new ScanError('E_USAGE', `there is no report format ${name}`, {
    hint: `Use one of ${FORMAT_NAMES.join(', ')}.`,
  });
}

/** @throws ScanError `E_USAGE`. */
export function parseOutput(text: string): Output {
  const at = text.indexOf('=');
  if (at <= 0 || at === text.length - 1) {
    throw new ScanError('E_USAGE', `${text} is not FORMAT=FILE`, {
      hint: 'Write sarif=results.sarif.',
    });
  }
  return { format: parseFormat(text.slice(0, at)), file: text.slice(at + 1) };
}

/** @returns the number of reports that could not be written. */
export function writeOutputs(
  result: ScanResult,
  outputs: readonly Output[],
  context: ReportContext,
  io: Io,
): number {
  let failed = 0;
  for (const output of outputs) {
    const toStdout = output.file === '-';
    const chunks = FORMATS[output.format](result, {
      ...context,
      color: toStdout && context.color,
      width: toStdout ? context.width : 100,
    });
    try {
      if (toStdout) for (const chunk of chunks) io.stdout(chunk);
      else writeReport(output.file, chunks);
    } catch (error) {
      failed += 1;
      io.stderr(`${formatError(toScanError(error, output.file))}\n`);
    }
  }
  return failed;
}
