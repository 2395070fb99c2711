/** Durations as people type and read them: `90s`, `5m`, `1h30m`. */
import { ScanError } from '../errors.ts';

const UNIT_SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1 };

/** @returns seconds. @throws ScanError `E_USAGE`. */
export function parseDuration(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) > 0) return Number(text);
  const match = /^(?:\d+(?:\.\d+)?[hms])+$/.test(text) ? text.matchAll(/([\d.]+)([hms])/g) : [];
  let seconds = 0;
  for (const [, amount, unit] of match) seconds += Number(amount) * (UNIT_SECONDS[unit ?? ''] ?? 0);
  if (seconds > 0) return seconds;
  throw new ScanError('E_USAGE', `${text} is no duration`, { hint: 'Write 90s, 5m or 1h30m.' });
}

export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`;
}
