/** Drives the SAE pass over a corpus of token windows and keeps what every dictionary saw, sparse. */
import { type Feeds, f32Output, floats, i64Output, ids } from '../engine/session.ts';
import { ScanError } from '../errors.ts';
import { type Site, siteName } from '../model/graphs/activations.ts';
import type { ModelSpec } from '../model/spec.ts';
import type { Dictionary } from './dictionary.ts';
import { passGraph } from './pass.ts';
import { type OpenGraph, openHere } from './runner.ts';
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
  const corpus = corpusOf(
    order.map((i) => windows[i] ?? []),
    (token) => options.skip?.has(token) !== true,
  );
  const collectors = new Map(
    [...entries].map(([name, { dictionary }]) => [
      name,
      {
        builder: new SparseRunBuilder(corpus, dictionary.featureCount),
        errorShare: new Float32Array(corpus.tokens.length),
      },
    ]),
  );
  const graph = await (options.open ?? openHere)(
    passGraph(spec, entries, { positions: longest, top }),
  );
  let done = 0;
  try {
    for (const batch of batches(corpus, options.tokensPerRun ?? DEFAULT_TOKENS_PER_RUN)) {
      if (options.isCancelled?.() === true) {
        throw new ScanError('E_INTERRUPTED', 'the SAE pass was cancelled');
      }
      const outputs = await graph.run(batch.feeds);
      for (const [name, { builder, errorShare }] of collectors) {
        builder.append(
          i64Output(outputs, `features.${name}`),
          f32Output(outputs, `values.${name}`),
          f32Output(outputs, `active.${name}`),
        );
        if (outputs[`error.${name}`] === undefined) continue;
        const power = f32Output(outputs, `power.${name}`);
        f32Output(outputs, `error.${name}`).forEach((error, row) => {
          errorShare[done + row] = error / Math.max(1e-30, power[row] as number);
        });
      }
      done += batch.rows;
      options.onProgress?.(done, corpus.tokens.length);
    }
  } finally {
    await graph.close();
  }
  return new Map(
    [...collectors].map(([name, { builder, errorShare }]) => {
      const { site } = entries.get(name) as SiteDictionary;
      return [name, { ...builder.finish(), site, givenWindows: order, errorShare }];
    }),
  );
}

/** Consecutive windows of one length, as many as fit. */
function* batches(
  corpus: Corpus,
  tokensPerRun: number,
): Generator<{ readonly feeds: Feeds; readonly rows: number }> {
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
      rows: to - from,
      feeds: {
        ids: ids(tokens.subarray(from, to), [end - window, length]),
        weight: floats(counted.subarray(from, to), [to - from]),
      },
    };
    window = end;
  }
}
