/**
 * How fast the engine is: `npm run bench:engine [-- --only PARTS --rounds N --full --skip-large --skip-python]`. Pairs the SAE pass with SAELens and
 * TransformerLens on the same weights and tokens, times candidate sweeps, and follows time and memory over model
 * sizes, corpus sizes and workers. Writes docs/benchmarks.md and docs/benchmarks.svg.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { engineBuild } from '../../src/engine/session.ts';
import { boundedRuns } from './bounded.ts';
import { equalWindows } from './equal-windows.ts';
import { Measured, rate } from './process.ts';
import { type PythonEnvironment, pythonEnvironment } from './python.ts';
import { type LlamaShape, parameterCount, writeLlama } from './random-model.ts';
import {
  type BoundedResult,
  type GrowthPoint,
  keepPart,
  type Measurements,
  type Paired,
  type SpeedPair,
  type SweepResult,
  type TapPoint,
  writeReport,
} from './report.ts';
import { screening } from './screening.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    out: { type: 'string', default: 'bench/out/engine' },
    rounds: { type: 'string', default: '4' },
    full: { type: 'boolean', default: false },
    'skip-large': { type: 'boolean', default: false },
    'skip-python': { type: 'boolean', default: false },
  },
});
const ROUNDS = Number(options.rounds);
const OUT = options.out;
const EXPORT = join(OUT, 'export');
const LAYER = 8;
const BATCH = 4;
const LENGTH = 64;
const BATCHES = 2;

const SHAPES: readonly LlamaShape[] = [
  {
    name: '23M',
    layers: 6,
    width: 384,
    hidden: 1024,
    heads: 6,
    keyValueHeads: 6,
    vocabulary: 32000,
  },
  {
    name: '124M',
    layers: 12,
    width: 768,
    hidden: 2048,
    heads: 12,
    keyValueHeads: 12,
    vocabulary: 50257,
  },
  {
    name: '1.1B',
    layers: 22,
    width: 2048,
    hidden: 5632,
    heads: 32,
    keyValueHeads: 4,
    vocabulary: 32000,
  },
];

const say = (text: string) => process.stderr.write(`${text}\n`);

async function paired(environment: PythonEnvironment): Promise<Paired> {
  rmSync(EXPORT, { recursive: true, force: true });
  mkdirSync(EXPORT, { recursive: true });
  const theirs = await Measured.start(environment.python, [
    'bench/engine/saelens_pass.py',
    EXPORT,
    ...[BATCH, LENGTH, BATCHES].map(String),
  ]);
  const ours = await Measured.ours(OUT, {
    kind: 'sae',
    model: join(EXPORT, 'model'),
    sae: join(EXPORT, 'sae'),
    tokens: join(EXPORT, 'tokens.i32'),
    layer: LAYER,
    batch: BATCH,
    length: LENGTH,
    result: join(OUT, 'ours.f32'),
  });
  const rounds = { ours: [], theirs: [] } as { ours: Round[]; theirs: Round[] };
  for (let i = 0; i < ROUNDS; i++) {
    rounds.theirs.push(await theirs.round());
    rounds.ours.push(await ours.round());
    say(
      `pair ${i + 1}: ${rounds.theirs[i]?.cpuSeconds.toFixed(2)} against ${rounds.ours[i]?.cpuSeconds.toFixed(2)} CPU s`,
    );
  }
  const peak = { theirs: await theirs.end(), ours: await ours.end() };
  const ratios = rounds.theirs.map(
    (round, i) => round.cpuSeconds / (rounds.ours[i]?.cpuSeconds ?? 1),
  );
  return {
    theirRate: rate(rounds.theirs),
    ourRate: rate(rounds.ours),
    medianRatio: ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)] ?? 0,
    theirPeak: peak.theirs,
    ourPeak: peak.ours,
    tokens: BATCH * LENGTH * BATCHES,
    torch: String(theirs.ready['torch']),
    theirFlops: Number(theirs.ready['productFlops']),
    ourFlops: Number(ours.ready['productFlops']),
    ...agreement(join(EXPORT, 'reference.f32'), join(OUT, 'ours.f32')),
  };
}

type Round = Awaited<ReturnType<Measured['round']>>;

function agreement(reference: string, ours: string) {
  const read = (file: string) => {
    const bytes = readFileSync(file);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  };
  const [a, b] = [read(reference), read(ours)];
  const features = a.length / 3;
  const largest = a.subarray(2 * features).reduce((max, value) => Math.max(max, value), 0);
  let unequalCounts = 0;
  let maximumError = 0;
  for (let f = 0; f < features; f++) {
    if (a[f] !== b[f]) unequalCounts++;
    const difference = Math.abs((a[2 * features + f] ?? 0) - (b[2 * features + f] ?? 0));
    maximumError = Math.max(maximumError, difference / largest);
  }
  return { features, unequalCounts, maximumError };
}

async function sweepOf(model: string, vocabulary: number): Promise<SweepResult> {
  const context = 32;
  const shape = { kind: 'sweep', model, context } as const;
  const fullCandidates = 64;
  const candidates = options.full ? vocabulary : 2048;
  const full = await Measured.ours(OUT, {
    ...shape,
    shared: false,
    candidates: fullCandidates,
    batch: 32,
  });
  const shared = await Measured.ours(OUT, { ...shape, shared: true, candidates, batch: 256 });
  const rounds = { full: [] as Round[], shared: [] as Round[] };
  for (let i = 0; i < (options.full ? 1 : 2); i++) {
    rounds.full.push(await full.round());
    rounds.shared.push(await shared.round());
  }
  await full.end();
  const peak = await shared.end();
  const sharedRate = rate(rounds.shared);
  return {
    context,
    candidates,
    fullRate: rate(rounds.full),
    sharedRate,
    secondsForVocabulary: vocabulary / sharedRate,
    vocabulary,
    peak,
  };
}

async function encoderSweep(model: string): Promise<SweepResult> {
  const vocabulary = 30_522;
  const context = 8;
  const candidates = options.full ? vocabulary : 2048;
  const run = await Measured.ours(OUT, {
    kind: 'encoder',
    model,
    length: context,
    candidates,
    batch: 64,
  });
  const rounds = [await run.round()];
  const peak = await run.end();
  const sharedRate = rate(rounds);
  return {
    context,
    candidates,
    sharedRate,
    secondsForVocabulary: vocabulary / sharedRate,
    vocabulary,
    peak,
  };
}

async function growth(name: string, model: string, parameters: number): Promise<GrowthPoint> {
  const length = 64;
  const batch = parameters > 5e8 ? 1 : 4;
  const batches = parameters < 1e6 ? 32 : 1;
  const run = await Measured.ours(OUT, { kind: 'plain', model, batch, length, batches });
  const rounds = [await run.round(), await run.round()];
  const openMs = Number(run.ready['openMs']);
  const point = { name, parameters, openMs, tokensPerSecond: rate(rounds), peak: await run.end() };
  say(
    `${name}: ${point.tokensPerSecond.toFixed(0)} tokens a CPU s, ${(point.peak / 1e6).toFixed(0)} MB`,
  );
  return point;
}

async function corpusGrowth(model: string) {
  const points = [];
  for (const batches of [4, 16, 64]) {
    const run = await Measured.ours(OUT, { kind: 'plain', model, batch: 4, length: 64, batches });
    await run.round();
    const { cpuSeconds, done } = await run.round();
    points.push({ tokens: done, cpuSeconds, peak: await run.end() });
  }
  return points;
}

async function workerGrowth(model: string) {
  const points = [];
  for (const workers of [1, 2]) {
    const run = await Measured.ours(OUT, {
      kind: 'plain',
      model,
      batch: 4,
      length: 64,
      batches: 4,
      workers,
    });
    await run.round();
    const rounds = [await run.round()];
    points.push({
      workers,
      tokensPerSecond: rate(rounds),
      wallSeconds: rounds[0]?.wallSeconds ?? 0,
      peak: await run.end(),
    });
  }
  return points;
}

/** Tokens a CPU second of a pass that is emitted only up to a layer. */
async function taps(model: string, layers: number): Promise<TapPoint[]> {
  const points: TapPoint[] = [];
  for (const blocks of [1, 2, 4, 8, layers]) {
    const shape = { kind: 'plain', model, batch: 4, length: 64, batches: 1, blocks } as const;
    const run = await Measured.ours(OUT, shape);
    points.push({ blocks, tokensPerSecond: rate([await run.round(), await run.round()]) });
    await run.end();
  }
  return points;
}

/** Rounds of both alternate. */
async function eightBits(model: string): Promise<SpeedPair> {
  const shape = { kind: 'plain', model, batch: 4, length: 64, batches: 1 } as const;
  const exact = await Measured.ours(OUT, shape);
  const coarse = await Measured.ours(OUT, { ...shape, int8: join(OUT, 'cache') });
  const rounds = { exact: [] as Round[], coarse: [] as Round[] };
  for (let i = 0; i < ROUNDS; i++) {
    rounds.exact.push(await exact.round());
    rounds.coarse.push(await coarse.round());
  }
  const [exactPeak, coarsePeak] = [await exact.end(), await coarse.end()];
  return { exact: rate(rounds.exact), coarse: rate(rounds.coarse), exactPeak, coarsePeak };
}

/** The largest model within bounds below its weights. */
function bounded(shape: LlamaShape): BoundedResult {
  const model = writeLlama(OUT, shape);
  const bounds = [undefined, 1e9, 0.75e9];
  const runs = boundedRuns(model, shape, OUT, bounds);
  for (const { statedBytes, usedBytes, groups } of runs) {
    say(`bounded: stated ${statedBytes / 1e6} MB, used ${usedBytes / 1e6} MB, ${groups} groups`);
  }
  rmSync(model, { recursive: true });
  return { name: shape.name, weightBytes: 4 * parameterCount(shape), runs };
}

function sized(name: string): { readonly shape: LlamaShape; readonly parameters: number } {
  const shape = SHAPES.find((candidate) => candidate.name === name);
  if (shape === undefined) throw new Error(`no shape ${name}`);
  return { shape, parameters: parameterCount(shape) };
}

const small = sized('23M');
const middle = sized('124M');
const large = sized('1.1B');
const stories = 'test/fixtures/models/stories260K';
const middleModel = () => writeLlama(OUT, middle.shape);
const environment = () =>
  options['skip-python'] ? 'left out with --skip-python' : pythonEnvironment('bench/out/.venv');

async function pairedPart(): Promise<Paired | string> {
  const found = environment();
  if (typeof found === 'string') say(`SAELens is not compared: ${found}`);
  return typeof found === 'string' ? found : paired(found);
}

async function encoderPart(): Promise<SweepResult | undefined> {
  const found = environment();
  const folder = typeof found === 'string' ? undefined : found.encoder;
  return folder === undefined ? undefined : encoderSweep(folder);
}

async function growthPart(): Promise<GrowthPoint[]> {
  const points = [
    await growth('260K', stories, 260_032),
    await growth('23M', writeLlama(OUT, small.shape), small.parameters),
    await growth('124M', middleModel(), middle.parameters),
  ];
  if (options['skip-large']) return points;
  points.push(await growth('1.1B', writeLlama(OUT, large.shape), large.parameters));
  rmSync(join(OUT, large.shape.name), { recursive: true });
  return points;
}

/** Each is measured by itself, so that one can be measured again with `--only`. */
const PARTS: { readonly [Part in keyof Measurements]: () => Promise<Measurements[Part]> } = {
  paired: pairedPart,
  sweep: () => {
    const exported = join(EXPORT, 'model');
    return sweepOf(existsSync(exported) ? exported : middleModel(), 50_257);
  },
  encoder: encoderPart,
  taps: () => taps(middleModel(), middle.shape.layers),
  equal: async () => equalWindows(stories, 512),
  eightBits: () => eightBits(middleModel()),
  screening: async () => [
    ...(await screening('stories260K', stories, OUT)),
    ...(await screening('planted-m05', 'test/fixtures/models/planted-m05', OUT)),
  ],
  bounded: async () => (options['skip-large'] ? undefined : bounded(large.shape)),
  growth: growthPart,
  corpus: () => corpusGrowth(stories),
  workers: () => workerGrowth(middleModel()),
};

mkdirSync(OUT, { recursive: true });
const names = Object.keys(PARTS) as (keyof Measurements)[];
const wanted = options.only === undefined ? names : options.only.split(',');
const unknown = wanted.filter((name) => !names.includes(name as keyof Measurements));
if (unknown.length > 0)
  throw new Error(`no part ${unknown.join(', ')}; there are ${names.join(', ')}`);
for (const name of names) {
  if (!wanted.includes(name)) continue;
  const before = loadavg()[0] ?? 0;
  const value = await PARTS[name]();
  keepPart(name, {
    value,
    day: new Date().toISOString().slice(0, 10),
    load: [before, loadavg()[0] ?? 0],
    machine: {
      processor: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      node: process.version,
      engine: engineBuild().version,
    },
  });
  say(`${name}: done`);
}
writeReport();
say('wrote docs/benchmarks.md and docs/benchmarks.svg');
