/** Rows of windows that look suspicious to some detector, as paths whose cuts are candidates. */
import type { BehaviourProbe } from '../../../src/detect/behaviour/probe.ts';
import { distinctPaths, type Path } from '../../../src/detect/behaviour/sources/path.ts';
import { WINDOW } from './texts.ts';

const LEAD_TOKENS = 12;
const BEHIND_TOKENS = 9;
/** As many paths as the leak source keeps at `standard`, so that sources are compared at one cost. */
const PATHS = 12;
/** Of the strongest rows, those are looked at for distinct paths. */
const ROWS = 400;

export interface SuspectRow {
  readonly window: number;
  /** Position in the window. */
  readonly position: number;
  readonly score: number;
}

export function strongestRows(scores: ArrayLike<number>, firstPosition: number): SuspectRow[] {
  const rows: SuspectRow[] = [];
  for (let row = 0; row < scores.length; row++) {
    const position = row % WINDOW;
    // The last row has nothing behind it that a path could hold.
    if (position < firstPosition || position >= WINDOW - 2) continue;
    rows.push({ window: Math.floor(row / WINDOW), position, score: scores[row] as number });
  }
  return rows.sort((a, b) => b.score - a.score).slice(0, ROWS);
}

/** The trigger is taken to end at the row, what it sets off to begin behind it. */
export function rowPaths(
  probe: BehaviourProbe,
  windows: readonly (readonly number[])[],
  rows: readonly SuspectRow[],
): Path[] {
  const paths = rows.map(({ window, position, score }): Path => {
    const tokens = windows[window] as readonly number[];
    const from = Math.max(probe.start.length, position + 1 - LEAD_TOKENS);
    return {
      source: 'feature',
      tokens: tokens.slice(from, position + 1 + BEHIND_TOKENS),
      certainFrom: position + 1 - from,
      score,
    };
  });
  return distinctPaths(paths, PATHS);
}
