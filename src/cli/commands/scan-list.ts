/** `narrowfire scan --list FILE`: the files stage over a list of any length, results as JSON lines, resumable. */
import { ScanError } from '../../errors.ts';
import { EXIT } from '../../finding/exit-code.ts';
import type { Policy } from '../../judge/policy.ts';
import type { ListSummary } from '../../scan/list.ts';
import { scanListInPool } from '../../scan/list-pool.ts';
import type { ListSettings } from '../../scan/list-scanner.ts';
import type { NetworkOptions } from '../../scan/remote-stage.ts';
import type { CancelSignal } from '../../scan/stage.ts';
import type { Io } from '../io.ts';

export interface ListScanRequest {
  readonly list: string;
  readonly results?: string;
  readonly paths: readonly string[];
  readonly profile: string | undefined;
  readonly failOn: Policy['failOn'];
  readonly ruleFolders: readonly string[];
  readonly overrides?: ListSettings['overrides'];
  readonly workers?: number;
  readonly network?: NetworkOptions;
  readonly showsProgress: boolean;
  readonly cancel: CancelSignal;
}

const SHOWN_EVERY = 50;

/** @throws ScanError `E_USAGE` for options that make no sense together. */
export async function runListScan(request: ListScanRequest, io: Io): Promise<number> {
  if (request.paths.length > 0) throw new ScanError('E_USAGE', 'give paths or --list, not both');
  if (request.profile !== undefined && request.profile !== 'files') {
    throw new ScanError('E_USAGE', 'a list is scanned with --profile files only');
  }
  const output = request.results ?? `${request.list}.results.jsonl`;
  const summary = await scanListInPool({
    list: request.list,
    output,
    journal: `${output}.journal`,
    settings: {
      failOn: request.failOn,
      today: io.now().slice(0, 10),
      ruleFolders: request.ruleFolders,
      ...(request.overrides !== undefined && { overrides: request.overrides }),
      ...(request.network !== undefined && { network: request.network }),
    },
    cancel: request.cancel,
    ...(request.workers !== undefined && { workers: request.workers }),
    onDone: (done) => {
      if (request.showsProgress && done % SHOWN_EVERY === 0) io.stderr(`\r${done} targets`);
    },
  });
  if (request.showsProgress) io.stderr('\r');
  io.stdout(`${describe(summary, output)}\n`);
  return exitCode(summary, request.failOn);
}

function describe({ done, resumed, verdicts, interrupted }: ListSummary, output: string): string {
  const parts = [`${done} targets`, `${verdicts.fail} fail`, `${verdicts.incomplete} incomplete`];
  if (resumed > 0) parts.push(`${resumed} from an earlier run`);
  const state = interrupted ? 'interrupted, run again to go on' : 'done';
  return `${state}: ${parts.join(', ')}; results in ${output}`;
}

function exitCode({ verdicts, interrupted }: ListSummary, failOn: Policy['failOn']): number {
  if (interrupted) return EXIT.interrupted;
  if (verdicts.fail > 0 && failOn !== 'none') return EXIT.findings;
  return verdicts.incomplete > 0 ? EXIT.incomplete : EXIT.ok;
}
