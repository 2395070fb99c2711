/** How the scan itself went: every error and everything not covered is a notification, so silence never reads as clean. */
import type { Invocation, Notification } from 'sarif';
import type { SerializedError } from '../../errors.ts';
import { EXIT } from '../../finding/exit-code.ts';
import type { ScanResult, TargetResult } from '../../finding/finding.ts';
import { isGap } from '../../judge/verdict.ts';
import type { ReportContext } from '../report.ts';
import { clip, visible, visibleLine } from '../safe-text.ts';

const MAX_TEXT = 1000;
const MAX_NOTIFICATIONS = 1000;
const METHOD_LIMIT = 'method-limit';
const WITHHELD = 'calibration-withheld';

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  [EXIT.ok]: 'nothing at or above the failing level',
  [EXIT.findings]: 'findings at or above the failing level',
  [EXIT.usage]: 'usage or configuration error',
  [EXIT.nothingToScan]: 'nothing to scan',
  [EXIT.incomplete]: 'incomplete: something could not be looked at',
  [EXIT.internal]: 'internal error',
  [EXIT.interrupted]: 'interrupted',
};

function ofError(error: SerializedError, target: TargetResult): Notification {
  const at = error.byteOffset === undefined ? '' : ` @ byte ${error.byteOffset}`;
  const file = visibleLine(clip(error.file ?? target.path, MAX_TEXT));
  return {
    descriptor: { id: error.code },
    level: 'error',
    message: {
      text: `${error.code} ${file}${at}: ${visible(clip(error.message, MAX_TEXT))}`,
    },
  };
}

function ofGap(what: string, why: string): Notification {
  const code = /^E_[A-Z_]+/.exec(why)?.[0];
  const gap = isGap({ what, why });
  return {
    descriptor: { id: gap && code !== undefined ? code : METHOD_LIMIT },
    level: gap ? 'warning' : 'note',
    message: {
      text: `Not covered: ${visibleLine(clip(what, MAX_TEXT))}: ${visible(clip(why, MAX_TEXT))}`,
    },
  };
}

/** A finding that only a calibration kept out: readers of this file must not take it for none. */
function* ofWithheld({ calibration, path }: TargetResult): Iterable<Notification> {
  for (const { ruleId, level, value, pValue } of calibration?.withheld ?? []) {
    const shown = `${ruleId} (${level} as shipped) at ${Number(value.toPrecision(4))}, conformal p-value ${Number(pValue.toPrecision(4))}`;
    yield {
      descriptor: { id: WITHHELD },
      level: level === 'note' ? 'note' : 'warning',
      message: {
        text: `Withheld by calibration ${visibleLine(clip(calibration?.name ?? '', 100))}: ${visibleLine(clip(path, MAX_TEXT))}: ${visibleLine(shown)}`,
      },
    };
  }
}

const isConfiguration = (notification: Notification): boolean =>
  notification.descriptor?.id === 'E_RULE' || notification.descriptor?.id === 'E_CONFIG';

export function invocationOf(
  result: ScanResult,
  context: ReportContext,
  omittedResults: number,
): { readonly invocation: Invocation; readonly codes: readonly string[] } {
  const all: Notification[] = [];
  if (omittedResults > 0) {
    all.push({
      descriptor: { id: 'E_LIMIT' },
      level: 'warning',
      message: {
        text: `${omittedResults} results are left out of this file (limit ${context.maxResults}); the most severe are kept. The result JSON holds all.`,
      },
    });
  }
  for (const target of result.targets) {
    all.push(...target.errors.map((error) => ofError(error, target)));
    all.push(...ofWithheld(target));
    all.push(...target.coverage.notCovered.map(({ what, why }) => ofGap(what, why)));
  }
  const severity = { error: 0, warning: 1, note: 2, none: 3 } as const;
  const ordered = all.toSorted((a, b) => severity[a.level ?? 'none'] - severity[b.level ?? 'none']);
  const kept = ordered.slice(0, MAX_NOTIFICATIONS);
  if (ordered.length > kept.length) {
    kept.push({
      descriptor: { id: 'E_LIMIT' },
      level: 'warning',
      message: { text: `${ordered.length - kept.length} notifications are left out.` },
    });
  }
  const codes = [...new Set(kept.flatMap((item) => item.descriptor?.id ?? []))].toSorted();
  const audit = context.sarifProfile === 'audit';
  const invocation: Invocation = {
    executionSuccessful: result.exitCode === EXIT.ok || result.exitCode === EXIT.findings,
    exitCode: result.exitCode,
    exitCodeDescription: DESCRIPTIONS[result.exitCode] ?? 'unknown',
    ...(audit &&
      result.commandLine !== undefined && { arguments: result.commandLine.map(visibleLine) }),
    ...(context.timestamp !== undefined && { startTimeUtc: context.timestamp }),
    toolExecutionNotifications: kept.filter((item) => !isConfiguration(item)),
    toolConfigurationNotifications: kept.filter(isConfiguration),
  };
  return { invocation, codes };
}
