/** Trains a dictionary on activations at hand: the loop around the training graph, and what a graph cannot do. */

import { type OpenedGraph, type OpenGraph, openHere } from '../engine/open-graph.ts';
import { type Feeds, f32Output, type Outputs } from '../engine/session.ts';
import { ScanError } from '../errors.ts';
import { type Site, siteName } from '../model/graphs/activations.ts';
import { Random } from '../random.ts';
import type { Dictionary } from './dictionary.ts';
import { type PreparedActivations, prepareActivations } from './prepare.ts';
import { columnMeans, type DictionaryQuality, measureQuality } from './quality.ts';
import {
  BETA_1,
  BETA_2,
  PARAMETERS,
  type Parameter,
  parameterDims,
  type TrainShape,
  trainGraph,
} from './train-graph.ts';

export interface TrainOptions {
  readonly featureCount: number;
  readonly k: number;
  readonly sparsity?: 'topk' | 'batchtopk';
  readonly steps: number;
  readonly batchTokens?: number;
  /** Peak learning rate; 0.08 / sqrt(width) by default. */
  readonly rate?: number;
  readonly seed?: number;
  /** Share of the tokens kept back for the quality figures. */
  readonly heldOutShare?: number;
  /** 1 for a token that must not be trained on (BOS, padding). */
  readonly skip?: Uint8Array;
  /** Tokens with a norm above this many medians are dropped. */
  readonly maxNormRatio?: number;
  readonly site?: Site;
  /** Where the steps run; a session of this thread by default. */
  readonly open?: OpenGraph;
  /** Polled between steps; true stops the training with `E_INTERRUPTED`. */
  readonly isCancelled?: () => boolean;
  readonly onProgress?: (progress: TrainProgress) => void;
}

export interface TrainProgress {
  readonly step: number;
  readonly steps: number;
  /** On the last batch. */
  readonly explainedVariance: number;
}

export interface TrainedDictionary {
  readonly dictionary: Dictionary;
  readonly quality: DictionaryQuality;
  readonly droppedTokens: number;
  /** Features that were re-initialised because they had stopped firing. */
  readonly revivedFeatures: number;
}

const DEFAULTS = {
  sparsity: 'topk',
  batchTokens: 1024,
  seed: 0,
  heldOutShare: 0.1,
  maxNormRatio: 10,
} as const;
/** Tuned on a 64-wide model: runs of some hundred steps want far more than the usual 3e-4. */
const BASE_RATE = 0.08;
const WARM_UP_SHARE = 0.05;
const DECAY_SHARE = 0.3;
/** Steps between two looks for dead features, and the share of the run after which none is revived. */
const REVIVE_EVERY = 50;
const REVIVE_UNTIL_SHARE = 0.6;

type State = Record<string, { type: 'f32'; data: Float32Array; dims: number[] }>;

/**
 * @param activations [tokens, width]
 * @throws ScanError `E_SAE` when there is too little to train on, `E_INTERRUPTED`
 */
export async function trainSae(
  activations: Float32Array,
  width: number,
  options: TrainOptions,
): Promise<TrainedDictionary> {
  const settings = { ...DEFAULTS, rate: BASE_RATE / Math.sqrt(width), ...options };
  const { featureCount, k, sparsity } = settings;
  const shape: TrainShape = { width, featureCount, k, sparsity };
  if (k < 1 || k > featureCount) {
    throw new ScanError('E_SAE', `k is ${k}, wanted 1 to ${featureCount}`);
  }
  const random = new Random(settings.seed);
  const data = prepareActivations(activations, width, settings, random);
  const state = initialState(shape, data, random);
  const open = settings.open ?? openHere;
  const session = await open(trainGraph(shape));
  let outcome: { revived: number; threshold: number };
  try {
    outcome = await runSteps(session, shape, data, state, settings, random);
  } finally {
    await session.close();
  }
  const dictionary = toDictionary(shape, state, data, outcome.threshold, options.site);
  const quality = await measureQuality(dictionary, data.heldOut, data.heldOut, open);
  return {
    dictionary,
    quality,
    droppedTokens: data.dropped,
    revivedFeatures: outcome.revived,
  };
}

type Settings = TrainOptions & Required<Pick<TrainOptions, keyof typeof DEFAULTS | 'rate'>>;

async function runSteps(
  session: OpenedGraph,
  shape: TrainShape,
  data: PreparedActivations,
  state: State,
  settings: Settings,
  random: Random,
): Promise<{ revived: number; threshold: number }> {
  const { width } = shape;
  const { steps } = settings;
  const batchTokens = Math.min(settings.batchTokens, data.tokens);
  const batches = new BatchReader(data, width, batchTokens, random);
  const variance = meanSquaredDeviation(data, width);
  const firings = new Float64Array(shape.featureCount);
  let revived = 0;
  let threshold: number | undefined;
  for (let step = 0; step < steps; step++) {
    if (settings.isCancelled?.() === true) {
      throw new ScanError('E_INTERRUPTED', `training stopped at step ${step} of ${steps}`);
    }
    const batch = batches.next();
    const scalar = (value: number) => ({
      type: 'f32' as const,
      data: Float32Array.of(value),
      dims: [],
    });
    const feeds: Feeds = {
      ...state,
      x: { type: 'f32', data: batch, dims: [batchTokens, width] },
      rate: scalar(settings.rate * schedule(step, steps)),
      correction_1: scalar(1 / (1 - BETA_1 ** (step + 1))),
      correction_2: scalar(1 / (1 - BETA_2 ** (step + 1))),
    };
    const outputs = await session.run(feeds);
    takeNext(state, outputs);
    const errors = f32Output(outputs, 'errors');
    f32Output(outputs, 'counts').forEach((count, feature) => {
      firings[feature] = (firings[feature] as number) + count;
    });
    const cut = f32Output(outputs, 'threshold')[0] as number;
    threshold = threshold === undefined ? cut : threshold * 0.95 + cut * 0.05;
    const explainedVariance = 1 - mean(errors) / variance;
    if (!Number.isFinite(explainedVariance)) {
      throw new ScanError('E_SAE', `training diverged at step ${step}`, {
        hint: 'Lower the learning rate.',
      });
    }
    settings.onProgress?.({ step: step + 1, steps, explainedVariance });
    if ((step + 1) % REVIVE_EVERY === 0) {
      if (step < steps * REVIVE_UNTIL_SHARE) {
        revived += reviveDead(state, shape, firings, batch, errors, random);
      }
      firings.fill(0);
    }
  }
  return { revived, threshold: threshold ?? 0 };
}

/** Linear warm-up, constant, linear decay to 5 %. */
function schedule(step: number, steps: number): number {
  const warm = Math.max(1, steps * WARM_UP_SHARE);
  const left = (steps - step) / Math.max(1, steps * DECAY_SHARE);
  return Math.min(1, (step + 1) / warm, Math.max(0.05, left));
}

function takeNext(state: State, outputs: Outputs): void {
  for (const [name, entry] of Object.entries(state)) {
    entry.data = f32Output(outputs, `next_${name}`);
  }
}

/** Decoder rows start as tokens minus the mean, so that every feature fires from the first step. */
function initialState(shape: TrainShape, data: PreparedActivations, random: Random): State {
  const { width, featureCount } = shape;
  const dims = parameterDims(shape);
  const state: State = {};
  for (const name of PARAMETERS) {
    for (const prefix of ['', 'first_', 'second_']) {
      const length = dims[name].reduce((product, n) => product * n, 1);
      state[prefix + name] = { type: 'f32', data: new Float32Array(length), dims: dims[name] };
    }
  }
  const bias = Float32Array.from(columnMeans(data.training, width));
  parameter(state, 'decoder_bias').set(bias.map((value) => value * data.scale));
  for (let feature = 0; feature < featureCount; feature++) {
    const row = random.below(data.tokens) * width;
    const token = data.training.subarray(row, row + width);
    const direction = unit(
      token.map((value, j) => value - (bias[j] as number)),
      random,
    );
    setFeature(state, shape, feature, direction, 1);
  }
  return state;
}

/** Points dead features at the tokens that are explained worst (resampling, Bricken et al. 2023). */
function reviveDead(
  state: State,
  shape: TrainShape,
  firings: Float64Array,
  batch: Float32Array,
  errors: Float32Array,
  random: Random,
): number {
  const dead = [...firings.keys()].filter((feature) => firings[feature] === 0);
  if (dead.length === 0) return 0;
  const { width } = shape;
  const total = errors.reduce((sum, error) => sum + error, 0);
  const bias = parameter(state, 'decoder_bias');
  for (const feature of dead) {
    let left = random.uniform() * total;
    let row = 0;
    while (row < errors.length - 1 && left > (errors[row] as number)) {
      left -= errors[row] as number;
      row++;
    }
    const token = batch.subarray(row * width, (row + 1) * width);
    const direction = unit(
      token.map((value, j) => value - (bias[j] as number)),
      random,
    );
    setFeature(state, shape, feature, direction, 0.5);
  }
  return dead.length;
}

function setFeature(
  state: State,
  { width, featureCount }: TrainShape,
  feature: number,
  direction: Float32Array,
  encoderScale: number,
): void {
  for (const [prefix, factor] of [
    ['', 1],
    ['first_', 0],
    ['second_', 0],
  ] as const) {
    const encoder = (state[`${prefix}encoder`] as State[string]).data;
    const decoder = (state[`${prefix}decoder`] as State[string]).data;
    for (let j = 0; j < width; j++) {
      const value = (direction[j] as number) * factor;
      encoder[j * featureCount + feature] = value * encoderScale;
      decoder[feature * width + j] = value;
    }
    (state[`${prefix}encoder_bias`] as State[string]).data[feature] = 0;
  }
}

function unit(direction: Float32Array, random: Random): Float32Array {
  const norm = Math.hypot(...direction);
  if (norm > 1e-6) return direction.map((value) => value / norm);
  return unit(
    direction.map(() => random.normal()),
    random,
  );
}

function parameter(state: State, name: Parameter): Float32Array {
  return (state[name] as State[string]).data;
}

/** Undoes the scaling of the training data, so that the dictionary takes raw activations. */
function toDictionary(
  shape: TrainShape,
  state: State,
  data: PreparedActivations,
  threshold: number,
  site: Site | undefined,
): Dictionary {
  const { width, featureCount, k, sparsity } = shape;
  const descale = (values: Float32Array) => values.map((value) => value / data.scale);
  return {
    role: 'autoencoder',
    inputWidth: width,
    outputWidth: width,
    featureCount,
    // f is kept in the units of the raw activations: unit decoder rows, biases divided by the scale.
    encoder: {
      kind: 'memory',
      data: parameter(state, 'encoder'),
      shape: [width, featureCount],
      layout: 'in-out',
    },
    encoderBias: descale(parameter(state, 'encoder_bias')),
    decoder: {
      kind: 'memory',
      data: parameter(state, 'decoder'),
      shape: [featureCount, width],
      layout: 'in-out',
    },
    decoderBias: descale(parameter(state, 'decoder_bias')),
    subtractDecoderBias: true,
    gate:
      sparsity === 'topk'
        ? { kind: 'topk', k }
        : {
            kind: 'jumprelu',
            threshold: new Float32Array(featureCount).fill(threshold / data.scale),
          },
    inputNorm: { kind: 'none' },
    ...(site !== undefined && { site }),
    origin: {
      format: 'trained',
      architecture: sparsity,
      siteText: site === undefined ? '' : siteName(site),
      statedL0: k,
    },
  };
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function meanSquaredDeviation(data: PreparedActivations, width: number): number {
  const means = columnMeans(data.training, width);
  let sum = 0;
  for (let i = 0; i < data.training.length; i++) {
    sum +=
      ((data.training[i] as number) * data.scale - (means[i % width] as number) * data.scale) ** 2;
  }
  return sum / data.tokens;
}

/** Batches without replacement; a new order for every pass over the data. */
class BatchReader {
  readonly #data: PreparedActivations;
  readonly #width: number;
  readonly #order: Uint32Array;
  readonly #random: Random;
  readonly #batch: Float32Array;
  #next: number;

  constructor(data: PreparedActivations, width: number, batchTokens: number, random: Random) {
    this.#data = data;
    this.#width = width;
    this.#order = Uint32Array.from({ length: data.tokens }, (_, i) => i);
    this.#random = random;
    this.#batch = new Float32Array(batchTokens * width);
    this.#next = data.tokens;
  }

  next(): Float32Array {
    const width = this.#width;
    const rows = this.#batch.length / width;
    if (this.#next + rows > this.#order.length) {
      this.#random.shuffle(this.#order);
      this.#next = 0;
    }
    for (let row = 0; row < rows; row++) {
      const token = (this.#order[this.#next + row] as number) * width;
      for (let j = 0; j < width; j++) {
        this.#batch[row * width + j] =
          (this.#data.training[token + j] as number) * this.#data.scale;
      }
    }
    this.#next += rows;
    return this.#batch;
  }
}
