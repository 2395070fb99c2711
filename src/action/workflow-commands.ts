/**
 * What a step may tell the runner: outputs, the job summary and log lines. The runner reads commands out of all three,
 * so text that comes from a model or a file name never gets a line of its own there.
 */
import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, statSync } from 'node:fs';
import { visibleLine } from '../report/safe-text.ts';

/** GitHub drops a step's summary that is larger. */
export const MAX_SUMMARY_BYTES = 1024 * 1024;
const CUT_NOTICE = '\n\nThe summary is cut here; the reports hold all of it.\n';

/** `name<<delimiter` blocks; the delimiter is random, so that no value can end its block early. */
export function outputBlock(name: string, value: string): string {
  let delimiter = `narrowfire_${randomUUID()}`;
  while (value.includes(delimiter)) delimiter = `narrowfire_${randomUUID()}`;
  return `${name}<<${delimiter}\n${value}\n${delimiter}\n`;
}

export function writeOutputValues(
  file: string | undefined,
  values: Readonly<Record<string, string>>,
): void {
  if (file === undefined || file === '') return;
  const blocks = Object.entries(values).map(([name, value]) => outputBlock(name, value));
  appendFileSync(file, blocks.join(''));
}

/** Cuts at a line end, and closes what was open there. */
export function cutSummary(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const closing = '\n\n</details>\n';
  const room = maxBytes - Buffer.byteLength(CUT_NOTICE) - closing.length;
  if (room <= 0) return '';
  const bytes = Buffer.from(text).subarray(0, room);
  const end = bytes.lastIndexOf(0x0a);
  const kept = end === -1 ? '' : bytes.subarray(0, end).toString('utf8');
  const open = kept.split('<details>').length > kept.split('</details>').length;
  return `${kept}${open ? closing : ''}${CUT_NOTICE}`;
}

export function appendSummary(file: string | undefined, text: string): void {
  if (file === undefined || file === '') return;
  const used = existsSync(file) ? statSync(file).size : 0;
  appendFileSync(file, cutSummary(text, MAX_SUMMARY_BYTES - used));
}

/** One log line that no runner takes for a command: `::name` counts at the start, `##[name]` anywhere. */
export function logLine(text: string): string {
  return `narrowfire: ${visibleLine(text).replaceAll('##[', '# #[')}\n`;
}
