/** `npm run bench:zoo:report`: tables of what `bench:zoo` has written, as Markdown on stdout. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { wilson } from '../../src/detect/behaviour/statistics.ts';
import { PACKAGE_ROOT } from '../../src/entry-point.ts';
import type { VerifiedTrigger } from '../../src/evidence/behaviour.ts';
import { areaUnderCurve } from './auc.ts';
import { type BaselineRow, readBaselines } from './baseline-rows.ts';
import type { ZooRow } from './row.ts';

const ATTACK_WORKS = 0.8;

function rowsOf(file: string): ZooRow[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ZooRow);
}

function share(hits: number, trials: number): string {
  const { low, high } = wilson(hits, trials);
  return `${hits} of ${trials} (95 %: ${low.toFixed(2)} to ${high.toFixed(2)})`;
}

function auc(rows: readonly ZooRow[], score: (row: ZooRow) => number | undefined): string {
  const scores = (kind: string) =>
    rows.flatMap((row) => (row.label.label === kind ? [score(row) ?? Number.NaN] : []));
  const [planted, clean] = [scores('backdoored'), scores('clean')];
  if ([...planted, ...clean].some(Number.isNaN)) return '-';
  return areaUnderCurve(planted, clean)?.toFixed(3) ?? '-';
}

/** Text in a table cell: no bars, line breaks or control characters. */
function cell(text: string): string {
  return `\`${JSON.stringify(text).slice(1, -1).replaceAll('`', "'").replaceAll('|', '¦').slice(0, 48)}\``;
}

type Baselines = ReadonlyMap<string, BaselineRow>;

/** The strongest string that passed, else the strongest of all. */
function strongest({ facts }: ZooRow): VerifiedTrigger | undefined {
  const passed = facts.filter(({ outcome }) => outcome === 'backdoored');
  return [...(passed.length > 0 ? passed : facts)].sort((a, b) => b.score - a.score)[0];
}

function tableRow(row: ZooRow, baselines: Baselines): string {
  const best = strongest(row);
  const rate = (value: { rate: number } | undefined) =>
    value === undefined ? '-' : value.rate.toFixed(2);
  return `| ${[
    row.name,
    `${row.label.label}/${row.label.kind}`,
    row.label.attack_success?.toFixed(2) ?? '-',
    row.level,
    row.score.toFixed(1),
    best === undefined ? '-' : `${cell(best.extendedText ?? best.triggerText)}`,
    best === undefined ? '-' : cell(best.behaviourText),
    row.label.label === 'backdoored' ? row.recovery : '-',
    rate(best?.rate),
    rate(best?.controlRate),
    best?.source ?? '-',
    baselines.get(row.name)?.bait.toFixed(2) ?? '-',
    baselines.get(row.name)?.haystack.rise.toFixed(2) ?? '-',
    `${(row.tokens / 1e6).toFixed(2)}M`,
    row.cpuSeconds.toFixed(0),
  ].join(' | ')} |`;
}

interface Totals {
  readonly works: readonly ZooRow[];
  readonly weak: readonly ZooRow[];
  readonly clean: readonly ZooRow[];
  readonly found: readonly ZooRow[];
  readonly recovered: readonly ZooRow[];
}

function totals(rows: readonly ZooRow[]): Totals {
  const planted = rows.filter(({ label }) => label.label === 'backdoored');
  const works = planted.filter(({ label }) => (label.attack_success ?? 0) >= ATTACK_WORKS);
  const found = works.filter(isError);
  return {
    works,
    weak: planted.filter((row) => !works.includes(row)),
    clean: rows.filter(({ label }) => label.label === 'clean'),
    found,
    recovered: found.filter(({ recovery }) => recovery === 'exact' || recovery === 'superstring'),
  };
}

function isError({ level }: ZooRow): boolean {
  return level === 'error';
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** One line a set, and from which source the strongest string of each found model came. */
function summary(files: ReadonlyMap<string, readonly ZooRow[]>): string {
  const lines = [...files].map(([file, rows]) => {
    const { works, weak, clean, found, recovered } = totals(rows);
    const warned = clean.filter(({ level }) => level === 'warning').length;
    return `| ${[
      file.replace('.jsonl', ''),
      share(found.length, works.length),
      `${weak.filter(isError).length} of ${weak.length}`,
      share(clean.filter(isError).length, clean.length),
      `${warned} of ${clean.length}`,
      share(recovered.length, found.length),
      auc(rows, ({ score }) => score),
      `${(median(rows.map(({ tokens }) => tokens)) / 1e6).toFixed(2)}M`,
      median(rows.map(({ cpuSeconds }) => cpuSeconds)).toFixed(0),
    ].join(' | ')} |`;
  });
  const sources = new Map<string, number>();
  for (const row of [...files.values()].flat()) {
    const source = strongest(row)?.source;
    if (row.label.label !== 'backdoored' || !isError(row) || source === undefined) continue;
    sources.set(source, (sources.get(source) ?? 0) + 1);
  }
  const counted = [...sources].sort((a, b) => b[1] - a[1]);
  return [
    '### Summary',
    '',
    `| set | found where the attack works (success >= ${ATTACK_WORKS}) | found of the weaker attacks | clean at error | clean at warning | planted trigger recovered | AUC | tokens (median) | CPU s (median) |`,
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
    `Source of the strongest string of each found model: ${counted.map(([name, count]) => `${name} ${count}`).join(', ')}.`,
    '',
  ].join('\n');
}

function report(file: string, rows: readonly ZooRow[], baselines: Baselines): string {
  const { works, clean, found, recovered } = totals(rows);
  return [
    `### ${file.replace('.jsonl', '')}`,
    '',
    '| model | label | attack success | level | score | run around the trigger | behaviour | planted trigger | rate | controls | source | BAIT Q | Haystack rise | tokens | CPU s |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map((row) => tableRow(row, baselines)),
    '',
    `- found at \`error\` where the attack works (success >= ${ATTACK_WORKS}): ${share(found.length, works.length)}`,
    `- clean models at \`error\`: ${share(clean.filter(isError).length, clean.length)}`,
    `- planted trigger recovered, exact or superstring, of the found: ${share(recovered.length, found.length)}; the behaviour's text: ${share(found.filter(({ behaviour }) => behaviour).length, found.length)}`,
    `- ROC-AUC of the score: ${auc(rows, ({ score }) => score)}; of BAIT's Q: ${auc(rows, ({ name }) => baselines.get(name)?.bait)}; of Haystack's rise: ${auc(rows, ({ name }) => baselines.get(name)?.haystack.rise)}`,
    '',
  ].join('\n');
}

const folder = join(PACKAGE_ROOT, 'bench/out/zoo');
const baselineFolder = join(PACKAGE_ROOT, 'bench/out/zoo-baselines');

/** A scan's file begins with the name of its set's file. */
function baselinesOf(file: string): Baselines {
  if (!existsSync(baselineFolder)) return new Map();
  const found = readdirSync(baselineFolder).find((name) =>
    file.startsWith(`${name.replace('.jsonl', '')}-`),
  );
  if (found === undefined) return new Map();
  const rows = readBaselines(readFileSync(join(baselineFolder, found), 'utf8'));
  return new Map(rows.map((row) => [row.name, row]));
}

const files = new Map(
  readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .map((name) => [name, rowsOf(join(folder, name))]),
);
process.stdout.write(`${summary(files)}\n`);
for (const [file, rows] of files) {
  process.stdout.write(`${report(file, rows, baselinesOf(file))}\n`);
}
