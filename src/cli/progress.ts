/**
 * Progress on stderr: one line that is rewritten, with stage, rate and time left. Only on a terminal and never in
 * CI, where a rewritten line is noise.
 */
import { clip, visibleLine } from '../report/safe-text.ts';
import type { ProgressEvent } from '../scan/stage.ts';
import { formatDuration } from './duration.ts';

const REDRAW_MS = 100;
const CLEAR_LINE = '\r\u001b[2K';
const BAR_CELLS = 20;

export interface ProgressOptions {
  readonly write: (text: string) => void;
  readonly columns: number;
  /** Monotonic clock, milliseconds. */
  readonly clock: () => number;
}

function bar(share: number): string {
  const filled = Math.round(share * BAR_CELLS);
  return '█'.repeat(filled) + '░'.repeat(BAR_CELLS - filled);
}

function compact(value: number): string {
  if (value < 10_000) return String(Math.round(value));
  if (value < 1e6) return `${Math.round(value / 1000)}k`;
  return `${(value / 1e6).toFixed(1)}M`;
}

/** One line for an event; `elapsedSeconds` counts from the stage's first event. */
export function progressLine(
  event: ProgressEvent,
  elapsedSeconds: number,
  columns: number,
): string {
  const share = event.total > 0 ? Math.min(1, event.done / event.total) : 0;
  const rate = elapsedSeconds > 0.5 ? event.done / elapsedSeconds : 0;
  const left = rate > 0 && event.total > event.done ? (event.total - event.done) / rate : undefined;
  const parts = [
    `${event.stage.padEnd(10)} ${bar(share)} ${String(Math.floor(share * 100)).padStart(3)}%`,
    rate > 0 ? `${compact(rate)} ${event.unit}/s` : '',
    left === undefined ? '' : `${formatDuration(left)} left`,
    `${visibleLine(clip(event.target, 40))}: ${visibleLine(clip(event.label, 80))}`,
  ];
  const line = parts.filter((part) => part !== '').join('  ');
  return [...line].slice(0, Math.max(20, columns - 1)).join('');
}

export class ProgressLine {
  readonly #options: ProgressOptions;
  #stage = '';
  #startedMs = 0;
  #drawnMs = Number.NEGATIVE_INFINITY;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  show(event: ProgressEvent): void {
    const now = this.#options.clock();
    const stage = `${event.target}\n${event.stage}`;
    if (stage !== this.#stage) {
      this.#stage = stage;
      this.#startedMs = now;
    } else if (now - this.#drawnMs < REDRAW_MS) {
      return;
    }
    this.#drawnMs = now;
    const line = progressLine(event, (now - this.#startedMs) / 1000, this.#options.columns);
    this.#options.write(`${CLEAR_LINE}${line}`);
  }

  /** Removes the line, before anything else is written to the terminal. */
  clear(): void {
    if (this.#stage === '') return;
    this.#options.write(CLEAR_LINE);
    this.#stage = '';
  }
}
