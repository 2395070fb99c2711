/** Errors that end a command, as exit codes. Verdicts become exit codes in `src/judge/verdict.ts`. */
import type { ErrorCode } from '../errors.ts';
import { EXIT, type ExitCode } from '../finding/exit-code.ts';

const BY_CODE: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  E_USAGE: EXIT.usage,
  E_CONFIG: EXIT.usage,
  E_RULE: EXIT.usage,
  E_NOT_FOUND: EXIT.nothingToScan,
  E_NOTHING_TO_SCAN: EXIT.nothingToScan,
  E_INTERRUPTED: EXIT.interrupted,
  E_INTERNAL: EXIT.internal,
};

export function exitCodeOfError(code: ErrorCode): ExitCode {
  return BY_CODE[code] ?? EXIT.incomplete;
}

/** A report that could not be written leaves the scan incomplete; a finding or a worse code stays what it is. */
export function withFailedOutput(code: number): number {
  return code === EXIT.ok ? EXIT.incomplete : code;
}
