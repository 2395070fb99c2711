/** docs/benchmarks.md and its picture, out of measured results only. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { BoundedRun } from './bounded.ts';
import type { EqualWindows } from './equal-windows.ts';
import type { ScreeningResult } from './screening.ts';

export interface Paired {
  readonly theirRate: number;
  readonly ourRate: number;
  readonly medianRatio: number;
  readonly theirPeak: number;
  readonly ourPeak: number;
  readonly tokens: number;
  readonly torch: string;
  /** Of one large matrix product, a CPU second. */
  readonly theirFlops: number;
  readonly ourFlops: number;
  readonly features: number;
  readonly unequalCounts: number;
  /** Largest difference of a feature's maximum, over the largest maximum. */
  readonly maximumError: number;
}

export interface SweepResult {
  readonly context: number;
  readonly candidates: number;
  /** Candidates a CPU second; absent where nothing can be shared. */
  readonly fullRate?: number;
  readonly sharedRate: number;
  readonly secondsForVocabulary: number;
  readonly vocabulary: number;
  readonly peak: number;
}

export interface GrowthPoint {
  readonly name: string;
  readonly parameters: number;
  readonly openMs: number;
  readonly tokensPerSecond: number;
  readonly peak: number;
}

export interface TapPoint {
  readonly blocks: number;
  readonly tokensPerSecond: number;
}

export interface SpeedPair {
  /** Tokens a CPU second in float32 and in eight bits. */
  readonly exact: number;
  readonly coarse: number;
  readonly exactPeak: number;
  readonly coarsePeak: number;
}

export interface BoundedResult {
  readonly name: string;
  readonly weightBytes: number;
  readonly runs: readonly BoundedRun[];
}

export interface Measurements {
  /** Or why it was left out. */
  readonly paired: Paired | string;
  readonly sweep: SweepResult;
  readonly encoder: SweepResult | undefined;
  readonly taps: readonly TapPoint[];
  readonly equal: readonly EqualWindows[];
  readonly eightBits: SpeedPair;
  readonly screening: readonly ScreeningResult[];
  /** Absent with --skip-large. */
  readonly bounded: BoundedResult | undefined;
  readonly growth: readonly GrowthPoint[];
  readonly corpus: readonly {
    readonly tokens: number;
    readonly cpuSeconds: number;
    readonly peak: number;
  }[];
  readonly workers: readonly {
    readonly workers: number;
    readonly tokensPerSecond: number;
    readonly wallSeconds: number;
    readonly peak: number;
  }[];
}

export interface MeasuredPart<Value = unknown> {
  readonly value: Value;
  readonly day: string;
  /** One-minute load before and after. */
  readonly load: readonly [number, number];
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly node: string;
    readonly engine: string;
  };
}

/** The last measurement of every part, from which the report is written. */
const KEPT = 'bench/engine/results.json';

type Kept = { readonly [Part in keyof Measurements]?: MeasuredPart<Measurements[Part]> };

function readKept(): Kept {
  return existsSync(KEPT) ? (JSON.parse(readFileSync(KEPT, 'utf8')) as Kept) : {};
}

export function keepPart(name: keyof Measurements, part: MeasuredPart): void {
  writeFileSync(KEPT, `${JSON.stringify({ ...readKept(), [name]: part }, undefined, 2)}\n`);
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
const gigaflops = (value: number) => (value / 1e9).toFixed(0);
const whole = (value: number) => Math.round(value).toLocaleString('en');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function writeReport(): void {
  const kept = readKept();
  if (kept.growth !== undefined) writeFileSync('docs/benchmarks.svg', picture(kept.growth.value));
  writeFileSync('docs/benchmarks.md', text(kept));
  execFileSync('npx', ['biome', 'format', '--write', 'docs/benchmarks.md'], { stdio: 'ignore' });
}

/** A part's text, or that it was not measured. */
function part<Name extends keyof Measurements>(
  kept: Kept,
  name: Name,
  show: (value: Measurements[Name]) => string,
): string {
  const found = kept[name];
  return found === undefined ? 'Not measured.' : show(found.value as Measurements[Name]);
}

function machineText(kept: Kept): string {
  const rows = Object.entries(kept).map(([name, { day, load, machine }]) => [
    name,
    day,
    `${machine.processor}, ${machine.cores} cores, ${(machine.memoryBytes / 1e9).toFixed(0)} GB`,
    `${machine.node}, ${machine.engine}`,
    load.map((value) => value.toFixed(1)).join(' to '),
  ]);
  return table(['part', 'measured', 'machine', 'Node, ONNX Runtime', 'load'], rows);
}

function text(kept: Kept): string {
  return `# Benchmarks

Written by \`npm run bench\`; \`npm run bench -- --only PART\` measures a part again and keeps the others. The machine was shared, as its load says (last
section). So every rate is a count over **CPU time** (user and system), each row from a process of its own; ratios come from rounds that alternate. Peak memory
is the resident set, mapped weights included.

## SAE pass against SAELens

GPT-2-small shape (12 layers, width 768, random weights), activations before block 8, standard dictionary of 24,576 features, per feature count, sum and maximum, one
thread each. SAELens with TransformerLens stops at the layer, too (\`bench/engine/saelens_pass.py\`).

${part(kept, 'paired', pairedText)}

## Stopping at the tap

The graph of a pass ends at its last site; blocks behind it are not in the graph. GPT-2-small-sized Llama (124M), stream after the block:

${part(kept, 'taps', tapText)}

## Equal windows

The SAE pass runs equal windows once and counts them as often as they stand in the text; the numbers are the same to the bit. Bundled corpora, cut into
windows with the tokenizer of the 260K model:

${part(kept, 'equal', equalText)}

So ordinary text gains nothing at the usual 64 or 128 tokens. What gains is text that a model wrote itself, and corpora with copies.

## Screening in eight bits

\`--screen int8\` runs the one-step screen of a large vocabulary, and an encoder's sweep, on an eight-bit copy of the matrices (codes of seven bits, one scale an
output; rows of activations are rounded to eight bits with a step each). What it keeps is looked at again in float32, and only that is reported.

${part(kept, 'eightBits', speedText)}

${part(kept, 'screening', screeningText)}

So it is off unless asked for. A model with outlier channels loses what was to be found, and whoever plants a backdoor can plant such channels, too.

## Models larger than memory

${part(kept, 'bounded', boundedText)}

## Candidate sweep

One token after a context, for many tokens; the best next logit of each. Shared: the context's keys and values are computed once and only the last position reaches
the head. Full: every sequence is run whole, with logits at every position.

${part(kept, 'sweep', (sweep) => sweepText(sweep, kept.encoder?.value))}

## Growth

![tokens a CPU second and peak memory over model size](benchmarks.svg)

Random Llama-shaped models (260K is trained), batches of 64 tokens, residual stream after the last block.

${part(kept, 'growth', growthText)}

Corpus size, model of 260K parameters:

${part(kept, 'corpus', corpusText)}

Workers, model of 124M parameters (wall time on a shared machine says little; CPU time shows that a second worker costs no extra work):

${part(kept, 'workers', workersText)}

No GPU was at hand, so no GPU figure is here. WebGPU was checked for equal results on a software Vulkan driver only.

## Where and when

${machineText(kept)}
`;
}

function equalText(equal: Measurements['equal']): string {
  return table(
    ['tokens a window', 'windows', 'distinct', 'saved'],
    equal.map(({ length, windows, distinct }) => [
      String(length),
      whole(windows),
      whole(distinct),
      `${((100 * (windows - distinct)) / Math.max(1, windows)).toFixed(2)} %`,
    ]),
  );
}

function growthText(growth: Measurements['growth']): string {
  return table(
    [
      'model',
      'parameters',
      'tokens a CPU second',
      'tokens x parameters a CPU second',
      'opening',
      'peak memory',
    ],
    growth.map((point) => [
      point.name,
      whole(point.parameters),
      whole(point.tokensPerSecond),
      `${((point.tokensPerSecond * point.parameters) / 1e9).toFixed(1)}e9`,
      `${(point.openMs / 1000).toFixed(2)} s`,
      mb(point.peak),
    ]),
  );
}

function corpusText(corpus: Measurements['corpus']): string {
  return table(
    ['tokens', 'CPU seconds', 'tokens a CPU second', 'peak memory'],
    corpus.map(({ tokens, cpuSeconds, peak }) => [
      whole(tokens),
      cpuSeconds.toFixed(2),
      whole(tokens / cpuSeconds),
      mb(peak),
    ]),
  );
}

function workersText(workers: Measurements['workers']): string {
  return table(
    ['workers', 'tokens a CPU second', 'wall seconds', 'peak memory'],
    workers.map((row) => [
      String(row.workers),
      whole(row.tokensPerSecond),
      row.wallSeconds.toFixed(1),
      mb(row.peak),
    ]),
  );
}

function tapText(taps: readonly TapPoint[]): string {
  const all = taps.at(-1);
  return table(
    ['blocks run', 'tokens a CPU second', 'times the whole model'],
    taps.map(({ blocks, tokensPerSecond }) => [
      all?.blocks === blocks ? `${blocks} (all)` : String(blocks),
      whole(tokensPerSecond),
      (tokensPerSecond / (all?.tokensPerSecond ?? 1)).toFixed(2),
    ]),
  );
}

function speedText({ exact, coarse, exactPeak, coarsePeak }: SpeedPair): string {
  return `Speed, 124M parameters: ${whole(exact)} tokens a CPU second in float32, ${whole(coarse)} in eight bits, ${(coarse / exact).toFixed(2)} times as many; peak memory ${mb(exactPeak)} and ${mb(coarsePeak)}.`;
}

function screeningText(screening: readonly ScreeningResult[]): string {
  const rows = screening.map((row) => [
    row.model,
    row.outlier === 1 ? 'none' : `${row.outlier}x`,
    whole(row.tokens),
    `${(100 * row.recallTop).toFixed(0)} %`,
    `${(100 * row.recallKept).toFixed(0)} %`,
    row.probabilityError.toFixed(2),
  ]);
  const head = [
    'model',
    'outlier channels',
    'tokens',
    'best 1 % kept',
    'best 4 % kept',
    'largest error of a probability',
  ];
  return `What it misses: every token of the vocabulary after four contexts, the eight-bit ranking keeping its best 4 %, as the scan keeps 2,000 of 50,000. Outlier: two
channels of each norm scaled up and scaled back behind it, so the model computes the same.

${table(head, rows)}`;
}

function boundedText(bounded: BoundedResult | undefined): string {
  if (bounded === undefined) return 'Not measured (--skip-large).';
  const rows = bounded.runs.map((run) => [
    run.boundBytes === undefined ? 'none' : mb(run.boundBytes),
    mb(run.statedBytes),
    mb(run.usedBytes),
    String(run.groups),
    run.cpuSeconds.toFixed(1),
    run.wallSeconds.toFixed(0),
    run.difference === 0 ? 'none' : run.difference.toExponential(1),
  ]);
  const head = ['bound', 'stated', 'used', 'groups', 'CPU s', 'wall s', 'difference'];
  return `\`narrowfire features MODEL --sae SAE --corpus TEXT --tokens 1024 --workers 1 --memory BOUND\` on a random model of ${bounded.name} parameters,
${mb(bounded.weightBytes)} of float32 weights, with a dictionary of 4,096 features after the last block. Used is the peak resident set of the process. Difference: largest of any number in the result, over the largest number.

${table(head, rows)}`;
}

function pairedText(paired: Paired | string): string {
  if (typeof paired === 'string') return `Not measured: ${paired}`;
  const rows = [
    ['SAELens and TransformerLens', whole(paired.theirRate), mb(paired.theirPeak)],
    ['narrowfire', whole(paired.ourRate), mb(paired.ourPeak)],
  ];
  const ratio = (paired.ourRate / paired.theirRate).toFixed(2);
  return `${table(['', 'tokens a CPU second (best round)', 'peak memory'], rows)}

Ratio ${ratio} of the best rounds, ${paired.medianRatio.toFixed(2)} as the median over paired rounds (PyTorch ${paired.torch}, ${paired.tokens} tokens a round). Of ${whole(paired.features)} features,
${paired.unequalCounts} have another count; the largest difference of a maximum is ${paired.maximumError.toExponential(1)} of the largest activation.

Much of a ratio is the processor's matrix kernels: one product of 256 x 768 by 768 x 24,576 runs at ${gigaflops(paired.theirFlops)} GFLOP a CPU second in PyTorch and
${gigaflops(paired.ourFlops)} in ONNX Runtime here. The rest, a factor of ${(paired.ourRate / paired.theirRate / (paired.ourFlops / paired.theirFlops)).toFixed(2)}, is what the graph saves.`;
}

function sweepText(sweep: SweepResult, encoder: SweepResult | undefined): string {
  const rows = [
    [
      'GPT-2-small shape',
      `${sweep.context} + 1`,
      (sweep.fullRate ?? 0).toFixed(1),
      whole(sweep.sharedRate),
      `${(sweep.sharedRate / (sweep.fullRate ?? 1)).toFixed(0)}x`,
      `${whole(sweep.secondsForVocabulary)} CPU s`,
      mb(sweep.peak),
    ],
  ];
  if (encoder !== undefined) {
    rows.push([
      'MiniLM (22.7M encoder)',
      `${encoder.context}`,
      whole(encoder.sharedRate),
      'nothing to share',
      '',
      `${whole(encoder.secondsForVocabulary)} CPU s`,
      mb(encoder.peak),
    ]);
  }
  const partial = sweep.candidates < sweep.vocabulary;
  const note = partial
    ? `\n\nRates are over ${whole(sweep.candidates)} candidates; the time for the whole vocabulary follows from them. \`--full\` runs all of it.`
    : '\n\nThe whole vocabulary was run.';
  const head = [
    'model',
    'tokens',
    'full, a CPU second',
    'shared, a CPU second',
    'ratio',
    'whole vocabulary',
    'peak memory',
  ];
  return `${table(head, rows)}${note}`;
}

/** Two panels over model size, all axes logarithmic. */
function picture(points: readonly GrowthPoint[]): string {
  const [width, height, left] = [640, 420, 60];
  const x = scale(
    points.map(({ parameters }) => parameters),
    left,
    width - 90,
  );
  const panels = [
    {
      name: 'tokens a CPU second',
      color: '#1f5fa8',
      top: 50,
      values: points.map((p) => p.tokensPerSecond),
    },
    {
      name: 'peak memory, MB',
      color: '#b3541e',
      top: 230,
      values: points.map((p) => p.peak / 1e6),
    },
  ].map(({ name, color, top, values }) => {
    const y = scale(values, top + 120, top + 10);
    const place = points.map((p, i) => [x(p.parameters), y(values[i] ?? 1)] as const);
    const path = place.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ');
    const marks = place.map(
      ([px, py], i) =>
        `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="4" fill="${color}"/>` +
        `<text x="${(px + 8).toFixed(1)}" y="${(py - 7).toFixed(1)}" fill="${color}">${whole(values[i] ?? 0)}</text>`,
    );
    return `<text x="${left}" y="${top - 15}" fill="${color}">${name}</text><line x1="${left}" y1="${top + 130}" x2="${width - 40}" y2="${top + 130}" stroke="#bbb"/><polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>${marks.join('')}`;
  });
  const ticks = points.map(
    (p) =>
      `<text x="${x(p.parameters).toFixed(1)}" y="382" text-anchor="middle" fill="#444">${p.name}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>Tokens a CPU second and peak memory over model size</title>
<rect width="${width}" height="${height}" fill="#fff"/>
${panels.join('\n')}
${ticks.join('\n')}
<text x="${width / 2}" y="${height - 12}" text-anchor="middle" fill="#444">parameters (all axes logarithmic)</text>
</svg>
`;
}

function scale(values: readonly number[], from: number, to: number): (value: number) => number {
  const logs = values.map(Math.log);
  const least = Math.min(...logs);
  const span = Math.max(...logs) - least || 1;
  return (value) => from + ((Math.log(value) - least) / span) * (to - from);
}
