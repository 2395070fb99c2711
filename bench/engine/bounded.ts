/**
 * A model whose weights exceed the bound: `narrowfire features MODEL --sae S --corpus T --memory M` in a process of its
 * own, with the peak that it stated, the peak that it used, and how far its numbers are from those without a bound.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Dictionary, Matrix } from '../../src/sae/dictionary.ts';
import { saveSaeLens } from '../../src/sae/formats/write-saelens.ts';

export interface BoundedRun {
  /** Undefined: no bound. */
  readonly boundBytes: number | undefined;
  readonly statedBytes: number;
  readonly usedBytes: number;
  readonly groups: number;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  /** Largest difference of a listed activation from the unbounded run, over the largest activation. */
  readonly difference: number;
}

const TOKENS = 1024;
const FEATURES = 4096;
const TOKENIZER = 'test/fixtures/models/stories260K';

/** Random directions with the gate of a TopK dictionary. */
function randomDictionary(width: number, layer: number): Dictionary {
  let state = 0x1234567;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
  const matrix = (input: number, output: number): Matrix => ({
    kind: 'memory',
    layout: 'in-out',
    shape: [input, output],
    data: Float32Array.from({ length: input * output }, next),
  });
  return {
    role: 'autoencoder',
    inputWidth: width,
    outputWidth: width,
    featureCount: FEATURES,
    encoder: matrix(width, FEATURES),
    encoderBias: new Float32Array(FEATURES),
    decoder: matrix(FEATURES, width),
    decoderBias: new Float32Array(width),
    subtractDecoderBias: false,
    inputNorm: { kind: 'none' },
    gate: { kind: 'topk', k: 32 },
    site: { kind: 'resid_post', layer },
    origin: { format: 'bench', architecture: 'topk', siteText: '' },
  };
}

/** Ordinary words again and again, in another order each time: a random model has nothing to say. */
function writeText(file: string): void {
  const words = 'the old dog ran to a big tree and saw her little red ball under it one day'.split(
    ' ',
  );
  const lines = Array.from({ length: 400 }, (_, line) =>
    words.map((_, i) => words[(i * (line % 7) + line + i * i) % words.length]).join(' '),
  );
  writeFileSync(file, `${JSON.stringify({ text: lines.join(' ') })}\n`);
}

export function boundedRuns(
  model: string,
  shape: { readonly width: number; readonly layers: number },
  folder: string,
  bounds: readonly (number | undefined)[],
): BoundedRun[] {
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    copyFileSync(join(TOKENIZER, name), join(model, name));
  }
  const sae = join(folder, 'bounded-sae');
  saveSaeLens(randomDictionary(shape.width, shape.layers - 1), sae, {
    modelName: 'random',
    prependBos: true,
    contextSize: 64,
  });
  const text = join(folder, 'bounded.jsonl');
  writeText(text);
  const results: BoundedRun[] = [];
  let whole: unknown;
  for (const boundBytes of bounds) {
    const peak = resolve(folder, 'peak.json');
    const started = performance.now();
    // Without a bound the plan is not told; one that never binds tells it.
    const memory = String(boundBytes ?? 2 ** 40);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        ...['--import', './bench/engine/report-peak.mjs', 'bin/narrowfire.js', 'features', model],
        ...['--sae', sae, '--corpus', text, '--tokens', String(TOKENS), '--window', '64'],
        ...['--workers', '1', '--memory', memory, '--min-firings', '1', '--json'],
      ],
      {
        encoding: 'utf8',
        maxBuffer: 2 ** 28,
        env: { ...process.env, BENCH_PEAK_FILE: peak, NARROWFIRE_CACHE: resolve(folder, 'cache') },
      },
    );
    if (status !== 0) throw new Error(`features ended with ${status}: ${stderr}`);
    const [, stated = '', groups = ''] = /at most (\d+) MB, in (\d+) group/.exec(stderr) ?? [];
    const used = JSON.parse(readFileSync(peak, 'utf8')) as {
      peakBytes: number;
      cpuSeconds: number;
    };
    const found: unknown = JSON.parse(stdout);
    whole ??= found;
    results.push({
      boundBytes,
      statedBytes: Number(stated) * 1e6,
      usedBytes: used.peakBytes,
      groups: Number(groups),
      cpuSeconds: used.cpuSeconds,
      wallSeconds: (performance.now() - started) / 1000,
      difference: largestDifference(whole, found),
    });
  }
  return results;
}

/** Of all numbers at the same places of two results, over the largest; infinite where they do not match. */
function largestDifference(a: unknown, b: unknown): number {
  let largest = 0;
  let difference = 0;
  const visit = (left: unknown, right: unknown): void => {
    if (typeof left === 'number' && typeof right === 'number') {
      largest = Math.max(largest, Math.abs(left));
      difference = Math.max(difference, Math.abs(left - right));
    } else if (Array.isArray(left) && Array.isArray(right) && left.length === right.length) {
      left.forEach((item, i) => {
        visit(item, right[i]);
      });
    } else if (isRecord(left) && isRecord(right)) {
      for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
        visit(left[key], right[key]);
      }
    } else if (left !== right) {
      difference = Number.POSITIVE_INFINITY;
    }
  };
  visit(a, b);
  return largest === 0 ? difference : difference / largest;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
