/** From a model and text to dictionaries: reads activations at sites and trains one dictionary for each. */
import { type OpenGraph, openHere } from '../engine/open-graph.ts';
import { type Feeds, f32Output, ids } from '../engine/session.ts';
import { runTextPass, type TextPass } from '../engine/text-pass.ts';
import { ScanError } from '../errors.ts';
import { activationsGraph, type Site, siteName } from '../model/graphs/activations.ts';
import { activationsSize, planLayers } from '../model/layer-groups.ts';
import type { ModelSpec } from '../model/spec.ts';
import { type TrainedDictionary, type TrainOptions, trainSae } from './train.ts';

export interface SiteActivations {
  /** [tokens, width] of each site, by name; windows one after the other. */
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly widths: ReadonlyMap<string, number>;
  /** 1 for special tokens. */
  readonly skip: Uint8Array;
  readonly tokens: number;
}

export interface ReadOptions {
  readonly skip?: ReadonlySet<number>;
  readonly tokensPerRun?: number;
  readonly open?: OpenGraph;
  readonly isCancelled?: () => boolean;
}

const TOKENS_PER_RUN = 4096;
/** Of float32 activations, all sites together. */
const MAX_ACTIVATION_BYTES = 4 * 2 ** 30;

/**
 * @param windows token ids, all of one length; what is left over from texts is no window
 * @throws ScanError `E_CORPUS`, `E_LIMIT`
 */
export async function readActivations(
  spec: ModelSpec,
  sites: readonly Site[],
  windows: readonly (readonly number[])[],
  options: ReadOptions = {},
): Promise<SiteActivations> {
  const length = windows[0]?.length ?? 0;
  if (length === 0 || windows.some((window) => window.length !== length)) {
    throw new ScanError('E_CORPUS', 'activations are read from windows of one length');
  }
  const tokens = windows.length * length;
  const bytes = tokens * sites.length * spec.width * 4;
  if (bytes > MAX_ACTIVATION_BYTES) {
    throw new ScanError('E_LIMIT', `${tokens} tokens would need ${bytes} bytes of activations`, {
      hint: 'Give less text or fewer sites.',
    });
  }
  const open = options.open ?? openHere;
  const batchTokens = options.tokensPerRun ?? TOKENS_PER_RUN;
  const text = { batchTokens, length, totalTokens: tokens };
  const plan = planLayers(spec, activationsSize(spec, sites, false, text), open);
  const values = new Map<string, Float32Array>();
  const widths = new Map<string, number>();
  const windowsPerRun = Math.max(1, Math.floor(plan.batchTokens / length));
  const pass: TextPass = {
    plan,
    width: spec.width,
    graph: (span) => activationsGraph(spec, sites, { logits: false, positions: length, span }),
  };
  const batches = windowBatches(windows, windowsPerRun, length, options.isCancelled);
  await runTextPass(pass, open, batches, (outputs, batch) => {
    const first = batch * windowsPerRun;
    const rows = Math.min(windowsPerRun, windows.length - first) * length;
    for (const site of sites) {
      const name = siteName(site);
      if (outputs[name] === undefined) continue;
      const data = f32Output(outputs, name);
      const width = data.length / rows;
      const all = values.get(name) ?? new Float32Array(tokens * width);
      all.set(data, first * length * width);
      values.set(name, all);
      widths.set(name, width);
    }
  });
  const skip = Uint8Array.from(windows.flat(), (id) => (options.skip?.has(id) === true ? 1 : 0));
  return { values, widths, skip, tokens };
}

function* windowBatches(
  windows: readonly (readonly number[])[],
  windowsPerRun: number,
  length: number,
  isCancelled: ReadOptions['isCancelled'],
): Iterable<Feeds> {
  for (let start = 0; start < windows.length; start += windowsPerRun) {
    if (isCancelled?.() === true) {
      throw new ScanError('E_INTERRUPTED', 'reading activations was cancelled');
    }
    const batch = windows.slice(start, start + windowsPerRun);
    yield { ids: ids(batch.flat(), [batch.length, length]) };
  }
}

/**
 * One dictionary a site, by site name. With an engine as `open` the sites train side by side.
 * @throws ScanError
 */
export async function trainDictionaries(
  activations: SiteActivations,
  sites: readonly Site[],
  options: Omit<TrainOptions, 'site' | 'skip'>,
): Promise<ReadonlyMap<string, TrainedDictionary>> {
  const trained = await Promise.all(
    sites.map(async (site, index): Promise<[string, TrainedDictionary]> => {
      const name = siteName(site);
      const values = activations.values.get(name);
      const width = activations.widths.get(name);
      if (values === undefined || width === undefined) {
        throw new ScanError('E_SAE', `no activations were read at ${name}`);
      }
      const seed = (options.seed ?? 0) + index;
      return [
        name,
        await trainSae(values, width, { ...options, seed, site, skip: activations.skip }),
      ];
    }),
  );
  return new Map(trained);
}

/**
 * Windows of exactly `length` tokens, each begun by the first token of ordinary input where the model has one.
 * @param documents token ids without special tokens
 */
export function fixedWindows(
  documents: Iterable<readonly number[]>,
  length: number,
  bos: number | undefined,
  maxTokens = Number.POSITIVE_INFINITY,
): number[][] {
  const head = bos === undefined ? [] : [bos];
  const body = length - head.length;
  if (body < 1) throw new ScanError('E_CORPUS', `windows of ${length} tokens are too short`);
  const windows: number[][] = [];
  for (const document of documents) {
    for (let start = 0; start + body <= document.length; start += body) {
      if ((windows.length + 1) * length > maxTokens) return windows;
      windows.push([...head, ...document.slice(start, start + body)]);
    }
  }
  return windows;
}
