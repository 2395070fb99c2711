/**
 * Sources that read activations: narrow features, features of unexplained certainty, reconstruction errors, and the
 * baselines that need no dictionary (Mahalanobis distance, energy outside the principal directions). All see the same
 * windows and hand on the same number of paths.
 */
import { logLikelihoods } from '../../../src/detect/behaviour/base-likelihood.ts';
import { excesses } from '../../../src/detect/behaviour/certainty.ts';
import type { BehaviourProbe } from '../../../src/detect/behaviour/probe.ts';
import type { Path } from '../../../src/detect/behaviour/sources/path.ts';
import { residualSites } from '../../../src/detect/features/dictionaries.ts';
import { fitGaussian, mahalanobisDistances } from '../../../src/detect/features/mahalanobis.ts';
import { fitPrincipalDirections, pcaResiduals } from '../../../src/detect/features/pca.ts';
import { onEngine } from '../../../src/engine/open-graph.ts';
import { type Site, siteName } from '../../../src/model/graphs/activations.ts';
import { runCorpus, type SiteDictionary, type SiteRun } from '../../../src/sae/corpus-pass.ts';
import { firingRows, firingValues } from '../../../src/sae/sparse-run.ts';
import { poissonRatio } from '../../../src/sae/statistics.ts';
import { readActivations, trainDictionaries } from '../../../src/sae/train-model.ts';
import { rowPaths, type SuspectRow, strongestRows } from './rows.ts';
import { type SourceTexts, WINDOW } from './texts.ts';

const SITES = 3;
const FEATURES_PER_WIDTH = 8;
const ACTIVE_FEATURES = 8;
const STEPS = 300;
const BATCH_TOKENS = 512;
const PRINCIPAL_SHARE = 0.25;
/** Features of which each gives the row where it fires most. */
const FEATURES = 60;
const MIN_FIRINGS = 4;
/** Every so many ordinary rows are enough for a covariance; no divisor of a window's length. */
const ORDINARY_STRIDE = 3;

export interface ActivationBench {
  readonly probe: BehaviourProbe;
  /** Own and seeded windows. */
  readonly suspect: readonly (readonly number[])[];
  readonly ordinary: readonly (readonly number[])[];
  readonly sites: readonly Site[];
  /** [rows of suspect, then ordinary windows, width] of each site. */
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly dictionaries: readonly SiteDictionary[];
  readonly runs: ReadonlyMap<string, SiteRun>;
  /** Unexplained certainty of each suspect row's next token, nats; 0 behind seeds. */
  readonly excess: Float32Array;
}

export async function openActivationBench(
  probe: BehaviourProbe,
  texts: SourceTexts,
): Promise<ActivationBench> {
  const { model, engine, seed } = probe.generator;
  const suspect = [...texts.own, ...texts.seeded];
  const { ordinary } = texts;
  const windows = [...suspect, ...ordinary];
  const sites = residualSites(model.spec.blocks.length, SITES);
  const open = onEngine(engine);
  const skip = model.tokenizer.special;
  const activations = await readActivations(model.spec, sites, windows, { skip, open });
  const trained = await trainDictionaries(activations, sites, {
    featureCount: FEATURES_PER_WIDTH * model.spec.width,
    k: ACTIVE_FEATURES,
    steps: STEPS,
    batchTokens: BATCH_TOKENS,
    seed,
    open,
  });
  const dictionaries = sites.flatMap((site): SiteDictionary[] => {
    const one = trained.get(siteName(site));
    return one === undefined ? [] : [{ site, dictionary: one.dictionary }];
  });
  const runs = await runCorpus(model.spec, dictionaries, windows, { skip, open });
  probe.generator.tokens += 2 * windows.length * WINDOW;
  const excess = await rowExcess(probe, suspect);
  return {
    probe,
    suspect,
    ordinary,
    sites,
    values: activations.values,
    dictionaries,
    runs,
    excess,
  };
}

/** e_t of the token after each row, as in src/detect/behaviour/certainty.ts. */
async function rowExcess(
  probe: BehaviourProbe,
  windows: readonly (readonly number[])[],
): Promise<Float32Array> {
  const { engine, model } = probe.generator;
  const result = new Float32Array(windows.length * WINDOW);
  const likelihoods = await logLikelihoods(model, engine, windows);
  likelihoods.forEach((logs, w) => {
    const logReference = probe.reference.logProbabilities(windows[w] as readonly number[], 1, 1);
    result.set(excesses(logs.map(Math.exp), logReference), w * WINDOW);
  });
  probe.generator.tokens += windows.length * WINDOW;
  return result;
}

/** Rows whose activation is far from ordinary ones, by some distance fitted to ordinary activations. */
function distancePaths(
  bench: ActivationBench,
  distance: (ordinary: Float32Array, suspect: Float32Array, width: number) => Float64Array,
): Path[] {
  const { width } = bench.probe.generator.model.spec;
  const suspectRows = bench.suspect.length * WINDOW;
  const best = new Float64Array(suspectRows);
  for (const values of bench.values.values()) {
    const distances = distance(
      values.subarray(suspectRows * width),
      values.subarray(0, suspectRows * width),
      width,
    );
    const spread = Float64Array.from(distances).sort();
    const typical = spread[Math.floor(spread.length / 2)] as number;
    distances.forEach((value, row) => {
      best[row] = Math.max(best[row] as number, value / Math.max(typical, 1e-9));
    });
  }
  return rowPaths(bench.probe, bench.suspect, strongestRows(best, bench.probe.start.length));
}

export function mahalanobisPaths(bench: ActivationBench): Path[] {
  return distancePaths(bench, (ordinary, suspect, width) =>
    mahalanobisDistances(fitGaussian(withoutStarts(bench, ordinary, width), width), suspect),
  );
}

export function pcaPaths(bench: ActivationBench): Path[] {
  return distancePaths(bench, (ordinary, suspect, width) => {
    const count = Math.max(1, Math.round(PRINCIPAL_SHARE * width));
    const rows = withoutStarts(bench, ordinary, width);
    return pcaResiduals(fitPrincipalDirections(rows, width, count), suspect);
  });
}

/** The start token's activation is an outlier by far, and no text. */
function withoutStarts(bench: ActivationBench, values: Float32Array, width: number): Float32Array {
  const kept: number[] = [];
  const start = bench.probe.start.length;
  for (let row = 0; row < values.length / width; row += ORDINARY_STRIDE) {
    if (row % WINDOW >= start) kept.push(row);
  }
  const result = new Float32Array(kept.length * width);
  kept.forEach((row, i) => {
    result.set(values.subarray(row * width, (row + 1) * width), i * width);
  });
  return result;
}

/** Rows whose next token is certain without reason: no activations at all. */
export function logitPaths(bench: ActivationBench): Path[] {
  const rows = strongestRows(bench.excess, bench.probe.start.length);
  return rowPaths(bench.probe, bench.suspect, rows);
}

/** Rows that the dictionaries explain worst. */
export function errorPaths(bench: ActivationBench): Path[] {
  const best = new Float64Array(bench.suspect.length * WINDOW);
  for (const run of bench.runs.values()) {
    for (let row = 0; row < best.length; row++) {
      best[row] = Math.max(best[row] as number, run.errorShare[row] ?? 0);
    }
  }
  return rowPaths(bench.probe, bench.suspect, strongestRows(best, bench.probe.start.length));
}

/** Features that fire on suspect windows and hardly on ordinary text. */
export function narrowPaths(bench: ActivationBench): Path[] {
  const suspectRows = bench.suspect.length * WINDOW;
  const ordinaryRows = bench.ordinary.length * WINDOW;
  return featurePaths(bench, (rows) => {
    const on = rows.reduce((count, row) => count + (row < suspectRows ? 1 : 0), 0);
    return poissonRatio(on, suspectRows, rows.length - on, ordinaryRows);
  });
}

/** Features that fire where the next tokens are certain without reason. */
export function certaintyPaths(bench: ActivationBench): Path[] {
  const { excess } = bench;
  const mean = excess.reduce((sum, value) => sum + value, 0) / excess.length;
  return featurePaths(bench, (rows, values) => {
    let sum = 0;
    let weight = 0;
    rows.forEach((row, i) => {
      if (row >= excess.length) return;
      const value = values[i] as number;
      sum += value * ((excess[row] as number) - mean);
      weight += value;
    });
    return rows.length === 0 ? 0 : (sum / Math.max(weight, 1e-9)) * Math.sqrt(rows.length);
  });
}

function featurePaths(
  bench: ActivationBench,
  rank: (rows: Int32Array, values: Float32Array) => number,
): Path[] {
  const suspectRows = bench.suspect.length * WINDOW;
  const ranked: SuspectRow[] = [];
  for (const run of bench.runs.values()) {
    for (let feature = 0; feature < run.featureCount; feature++) {
      const rows = firingRows(run, feature);
      const values = firingValues(run, feature);
      if (rows.length < MIN_FIRINGS) continue;
      const onset = strongestOnset(rows, values, suspectRows);
      if (onset === undefined || onset % WINDOW >= WINDOW - 2) continue;
      ranked.push({
        window: Math.floor(onset / WINDOW),
        position: onset % WINDOW,
        score: rank(rows, values),
      });
    }
  }
  ranked.sort((a, b) => b.score - a.score);
  return rowPaths(bench.probe, bench.suspect, ranked.slice(0, FEATURES));
}

/** Of the rows on which it begins to fire, the one with the largest value. */
function strongestOnset(rows: Int32Array, values: Float32Array, end: number): number | undefined {
  let best: number | undefined;
  let most = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    if (row >= end) break;
    if (rows[i - 1] === row - 1 || (values[i] as number) <= most) continue;
    best = row;
    most = values[i] as number;
  }
  return best;
}
