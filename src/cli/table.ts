/** Plain text tables: columns as wide as their longest cell, numbers to the right. */
import { visibleLine } from '../report/safe-text.ts';

export function textTable(
  heads: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const cells = rows.map((row) => row.map((cell) => visibleLine(String(cell))));
  const widths = heads.map((head, i) =>
    Math.max(head.length, ...cells.map((row) => (row[i] ?? '').length)),
  );
  const isNumeric = heads.map((_, i) => rows.every((row) => typeof row[i] === 'number'));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) =>
        isNumeric[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [line(heads), ...cells.map(line)].map((text) => `${text}\n`).join('');
}
