/** Files stage and judgement of one target of a list, with everything that is the same for all loaded before. */
import { basename } from 'node:path';
import { ScanError, serializeError, toScanError } from '../errors.ts';
import { judge } from '../judge/judge.ts';
import type { RuleLists } from '../judge/lists.ts';
import type { Policy } from '../judge/policy.ts';
import type { Rule, RuleOverride } from '../judge/rule.ts';
import { runFileStage } from './file-stage.ts';
import { failedEntry, type ListEntry, listEntry } from './list-entry.ts';
import {
  isRemoteAddress,
  type NetworkOptions,
  remoteTarget,
  runRemoteStage,
} from './remote-stage.ts';
import { targetOf } from './targets.ts';

/** Plain data, so that it can cross to a worker. */
export interface ListSettings {
  readonly failOn: Policy['failOn'];
  readonly today: string;
  readonly ruleFolders: readonly string[];
  /** Changes to rules from the configuration. */
  readonly overrides?: Readonly<Record<string, RuleOverride>>;
  readonly network?: NetworkOptions;
}

export type ListScanner = (target: string, index: number) => Promise<ListEntry>;

export function listScanner(
  settings: ListSettings,
  rules: readonly Rule[],
  lists: RuleLists,
): ListScanner {
  const { network } = settings;
  const policy: Policy = { failOn: settings.failOn, ignores: [], today: settings.today };
  async function scanOne(given: string, index: number): Promise<ListEntry> {
    const remote = isRemoteAddress(given);
    const target = remote ? remoteTarget(given) : targetOf(given);
    const outcome = remote
      ? await runRemoteStage(target, { lists, ...(network !== undefined && { network }) })
      : await runFileStage(target, { lists, workers: 1 });
    const failed = outcome.errors.length > 0;
    const input = {
      path: given,
      name: target.name || basename(given),
      kind: target.kind,
      evidence: outcome.evidence,
      notCovered: outcome.notCovered,
      errors: outcome.errors,
      stages: [{ stage: 'files', status: failed ? ('incomplete' as const) : ('done' as const) }],
      cost: { tokens: 0, device: 'none' },
    };
    return listEntry(index, given, judge(input, rules, policy));
  }
  return async (given, index) => {
    try {
      return await scanOne(given, index);
    } catch (thrown) {
      // As data, so that the code survives the thread border.
      return failedEntry(index, given, serializeError(toScanError(thrown, given)));
    }
  };
}

/** @throws ScanError `E_USAGE` for a number of workers that makes no sense. */
export function checkWorkers(workers: number): number {
  if (!Number.isInteger(workers) || workers < 1 || workers > 1024) {
    throw new ScanError('E_USAGE', `${workers} workers cannot be started`);
  }
  return workers;
}
