/** Drives the SAE pass over a corpus of token windows and keeps what every dictionary saw, sparse. */
import { type OpenGraph, openHere } from '../engine/open-graph.ts';
import { type Feeds, f32Output, floats, i64Output, ids } from '../engine/session.ts';
import { runTextPass, type TextPass } from '../engine/text-pass.ts';
import { ScanError } from '../errors.ts';
import { type Site, siteName } from '../model/graphs/activations.ts';
import { type PassSize, planLayers } from '../model/layer-groups.ts';
import type { ModelSpec } from '../model/spec.ts';
import { type Dictionary, dictionaryBytes } from './dictionary.ts';
import { distinctWindows, repeatRows, repeatWindows } from './distinct-windows.ts';
import { passBlocks, passGraph } from './pass.ts';
import { type Corpus, corpusOf, type SparseRun, SparseRunBuilder } from './sparse-run.ts';

export interface SiteDictionary {
  readonly site: Site;
  readonly dictionary: Dictionary;
}

export interface SiteRun extends SparseRun {
  readonly site: Site;
  /** Windows are kept in order of length; entry i says which of the given windows window i is. */
  readonly givenWindows: readonly number[];
  /** Squared norm of the reconstruction error over that of the activation, row by row. */
  readonly errorShare: Float32Array;
}

export interface CorpusPassOptions {
  /** Strongest features that each token keeps; 64 by default. */
  readonly top?: number;
  readonly tokensPerRun?: number;
  /** Tokens that do not count (BOS and other special ones). */
  readonly skip?: ReadonlySet<number>;
  readonly open?: OpenGraph;
  readonly isCancelled?: () => boolean;
  readonly onProgress?: (tokens: number, total: number) => void;
}

const DEFAULT_TOP = 64;
const DEFAULT_TOKENS_PER_RUN = 2048;

/**
 * Equal windows are run once and counted as often as they stand there.
 * @param windows token ids, BOS included; any lengths up to the model's longest
 * @returns one run for each dictionary, by site name
 */
export async function runCorpus(
  spec: ModelSpec,
  dictionaries: readonly SiteDictionary[],
  windows: readonly (readonly number[])[],
  options: CorpusPassOptions = {},
): Promise<ReadonlyMap<string, SiteRun>> {
  const longest = windows.reduce((longest, window) => Math.max(longest, window.length), 0);
  if (longest === 0) throw new ScanError('E_CORPUS', 'the corpus has no tokens');
  if (longest > spec.maxPositions) {
    throw new ScanError(
      'E_CORPUS',
      `a window has ${longest} tokens, the model takes ${spec.maxPositions}`,
    );
  }
  const entries = new Map(dictionaries.map((entry) => [siteName(entry.site), entry]));
  if (entries.size < dictionaries.length)
    throw new ScanError('E_SAE', 'two dictionaries at one site');
  const top = options.top ?? DEFAULT_TOP;
  // Equal lengths give bit-identical rows whatever the batch; padding would not.
  const order = [...windows.keys()].sort(
    (a, b) => (windows[a]?.length ?? 0) - (windows[b]?.length ?? 0) || a - b,
  );
  const isCounted = (token: number) => options.skip?.has(token) !== true;
  const ordered = order.map((i) => windows[i] ?? []);
  const corpus = corpusOf(ordered, isCounted);
  const distinct = distinctWindows(ordered);
  // What is run: each text once.
  const run = corpusOf(
    distinct.first.map((i) => ordered[i] ?? []),
    isCounted,
  );
  const collectors = new Map(
    [...entries].map(([name, { dictionary }]) => [
      name,
      {
        builder: new SparseRunBuilder(run, dictionary.featureCount),
        errorShare: new Float32Array(run.tokens.length),
      },
    ]),
  );
  const open = options.open ?? openHere;
  const plan = planLayers(spec, sizeOf(spec, entries, run, { longest, top, ...options }), open);
  const pass: TextPass = {
    plan,
    width: spec.width,
    graph: (span) => passGraph(spec, entries, { positions: longest, top, span }),
  };
  const jobs = [...batches(run, plan.batchTokens)];
  let done = 0;
  await runTextPass(pass, open, uncancelled(jobs, options.isCancelled), (outputs, index) => {
    const { from, rows } = jobs[index] as PassBatch;
    for (const [name, { builder, errorShare }] of collectors) {
      if (outputs[`values.${name}`] === undefined) continue;
      builder.append(
        i64Output(outputs, `features.${name}`),
        f32Output(outputs, `values.${name}`),
        f32Output(outputs, `active.${name}`),
      );
      if (outputs[`error.${name}`] === undefined) continue;
      const power = f32Output(outputs, `power.${name}`);
      f32Output(outputs, `error.${name}`).forEach((error, row) => {
        errorShare[from + row] = error / Math.max(1e-30, power[row] as number);
      });
    }
    done += rows / plan.groups.length;
    options.onProgress?.(Math.round(done), run.tokens.length);
  });
  return new Map(
    [...collectors].map(([name, { builder, errorShare }]) => {
      const { site } = entries.get(name) as SiteDictionary;
      const whole = repeatWindows(builder.finish(), corpus, distinct.of);
      const share = repeatRows(errorShare, run, corpus, distinct.of);
      return [name, { ...whole, site, givenWindows: order, errorShare: share }];
    }),
  );
}

/** What the pass needs of memory: dictionaries in the graph, their dense features for a batch, sparse results. */
function sizeOf(
  spec: ModelSpec,
  entries: ReadonlyMap<string, SiteDictionary>,
  run: Corpus,
  options: { readonly longest: number; readonly top: number; readonly tokensPerRun?: number },
): PassSize {
  const dictionaries = [...entries.values()].map(({ dictionary }) => dictionary);
  const sum = (of: (dictionary: Dictionary) => number) =>
    dictionaries.reduce((total, dictionary) => total + of(dictionary), 0);
  return {
    blocks: passBlocks(spec, entries),
    batchTokens: options.tokensPerRun ?? DEFAULT_TOKENS_PER_RUN,
    length: options.longest,
    totalTokens: run.tokens.length,
    extraBytes: sum(dictionaryBytes),
    extraFloats: sum(({ featureCount, outputWidth }) => 5 * featureCount + 3 * outputWidth),
    keptFloats: sum(() => 8 * options.top),
  };
}

function* uncancelled(
  jobs: readonly PassBatch[],
  isCancelled: CorpusPassOptions['isCancelled'],
): Iterable<Feeds> {
  for (const { feeds } of jobs) {
    if (isCancelled?.() === true) {
      throw new ScanError('E_INTERRUPTED', 'the SAE pass was cancelled');
    }
    yield feeds;
  }
}

interface PassBatch {
  readonly feeds: Feeds;
  /** First row of the corpus, and how many. */
  readonly from: number;
  readonly rows: number;
}

/** Consecutive windows of one length, as many as fit. */
function* batches(corpus: Corpus, tokensPerRun: number): Generator<PassBatch> {
  const { windowStarts, tokens, counted } = corpus;
  const lengthOf = (window: number) =>
    (windowStarts[window + 1] as number) - (windowStarts[window] as number);
  let window = 0;
  while (window < windowStarts.length - 1) {
    const length = lengthOf(window);
    if (length === 0) {
      window++;
      continue;
    }
    let end = window + 1;
    while (
      end < windowStarts.length - 1 &&
      lengthOf(end) === length &&
      (end + 1 - window) * length <= tokensPerRun
    ) {
      end++;
    }
    const from = windowStarts[window] as number;
    const to = windowStarts[end] as number;
    yield {
      from,
      rows: to - from,
      feeds: {
        ids: ids(tokens.subarray(from, to), [end - window, length]),
        weight: floats(counted.subarray(from, to), [to - from]),
      },
    };
    window = end;
  }
}
