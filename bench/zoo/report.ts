/** `npm run bench:zoo:report`: tables of what `bench:zoo` has written, as Markdown on stdout. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { wilson } from '../../src/detect/behaviour/statistics.ts';
import { PACKAGE_ROOT } from '../../src/entry-point.ts';
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

function tableRow(row: ZooRow, baselines: Baselines): string {
  const best = [...row.facts].sort((a, b) => b.score - a.score)[0];
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

function report(file: string, rows: readonly ZooRow[], baselines: Baselines): string {
  const works = rows.filter(({ label }) => (label.attack_success ?? 0) >= ATTACK_WORKS);
  const clean = rows.filter(({ label }) => label.label === 'clean');
  const found = works.filter(({ level }) => level === 'error');
  const recovered = found.filter(
    ({ recovery }) => recovery === 'exact' || recovery === 'superstring',
  );
  return [
    `### ${file.replace('.jsonl', '')}`,
    '',
    '| model | label | attack success | level | score | run around the trigger | behaviour | planted trigger | rate | controls | source | BAIT Q | Haystack rise | tokens | CPU s |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map((row) => tableRow(row, baselines)),
    '',
    `- found at \`error\` where the attack works (success >= ${ATTACK_WORKS}): ${share(found.length, works.length)}`,
    `- clean models at \`error\`: ${share(clean.filter(({ level }) => level === 'error').length, clean.length)}`,
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

for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.jsonl'))
  .sort()) {
  process.stdout.write(`${report(file, rowsOf(join(folder, file)), baselinesOf(file))}\n`);
}
