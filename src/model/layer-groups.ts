/**
 * Which blocks of a model to run together so that memory stays within a bound, for passes that read text once. Weights
 * are mapped, and only those of the group that runs are resident; between groups the streams of many batches are kept.
 */
import { ScanError } from '../errors.ts';
import { lastBlock, type Site, type Span } from './graphs/activations.ts';
import {
  FLOAT_BYTES,
  hiddenOf,
  PROCESS_BYTES,
  tableBytes,
  tensorBytes,
  widestBlockFloats,
  workerBytes,
} from './memory.ts';
import type { ModelSpec } from './spec.ts';

/** What is asked of one pass. */
export interface PassSize {
  /** Blocks that must run. */
  readonly blocks: number;
  /** Most tokens in one batch, padding included; a plan may choose fewer. */
  readonly batchTokens: number;
  /** Tokens of the longest text, and so the smallest batch. */
  readonly length: number;
  /** Tokens of all batches together. */
  readonly totalTokens: number;
  /** The final norm and the language-model head run too. */
  readonly head?: boolean;
  /** Bytes that a run holds beside the model: dictionaries. */
  readonly extraBytes?: number;
  /** Numbers a token that a run holds beside those of its blocks: logits, features. */
  readonly extraFloats?: number;
  /** Numbers a token that are kept of the results. */
  readonly keptFloats?: number;
}

export interface PassLimits {
  /** Threads that run side by side, each with the weights mapped for itself. */
  readonly lanes: number;
  /** Runs that may wait or be under way at once. */
  readonly inFlight: number;
  /** Bound on the peak; absent for none. */
  readonly memoryBytes?: number;
}

export interface LayerPlan {
  readonly groups: readonly Span[];
  readonly batchTokens: number;
  /** Tokens that go through all groups together; the weights are read once for each such chunk. */
  readonly chunkTokens: number;
  /** Most resident memory that the pass should need, bytes, the process itself included. */
  readonly peakBytes: number;
}

/** Streams that are read and written at once; freed ones may wait for the collector. */
const STREAM_COPIES = 2.5;
/** A middling batch, to choose the number of threads by before passes are known. */
const USUAL_TOKENS = 1024;
const USUAL_LENGTH = 128;

/**
 * The fewest readings of the weights, then the largest batches, then the fewest groups that fit.
 * @throws ScanError `E_LIMIT` when not even one block and one text at a time fit
 */
export function planLayers(spec: ModelSpec, size: PassSize, limits: PassLimits): LayerPlan {
  const { memoryBytes } = limits;
  let best: LayerPlan | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const batchTokens of batchSizes(size)) {
    for (let count = 1; count <= Math.max(1, size.blocks); count++) {
      const groups = spansOf(size.blocks, Math.max(1, Math.ceil(size.blocks / count)));
      const streamBytes = groups.length === 1 ? 0 : STREAM_COPIES * spec.width * FLOAT_BYTES;
      const base = runBytes(spec, size, limits, groups, batchTokens);
      const whole: LayerPlan = {
        groups,
        batchTokens,
        chunkTokens: size.totalTokens,
        peakBytes: base + streamBytes * size.totalTokens,
      };
      if (memoryBytes === undefined || whole.peakBytes <= memoryBytes) return whole;
      const tokens = Math.floor((memoryBytes - base) / Math.max(1, streamBytes));
      least = Math.min(least, base + streamBytes * batchTokens);
      if (streamBytes === 0 || tokens < batchTokens) continue;
      const peakBytes = base + streamBytes * tokens;
      const better = best === undefined || tokens > best.chunkTokens;
      if (better) best = { groups, batchTokens, chunkTokens: tokens, peakBytes };
    }
    if (best !== undefined) return best;
  }
  throw new ScanError(
    'E_LIMIT',
    `the pass needs ${Math.ceil(least / 1e6)} MB even block by block`,
    { hint: 'Give more with --memory, or fewer --workers, or shorter texts.' },
  );
}

/** The batch asked for, and halves of it down to one text. */
function batchSizes({ batchTokens, length }: PassSize): number[] {
  const sizes = [Math.max(batchTokens, length)];
  for (;;) {
    const half = Math.floor((sizes.at(-1) ?? 0) / 2);
    if (half < length || half < 1) return sizes;
    sizes.push(half);
  }
}

function spansOf(end: number, size: number): Span[] {
  if (end === 0) return [{ first: 0, end: 0, last: true }];
  return Array.from({ length: Math.ceil(end / size) }, (_, i) => ({
    first: i * size,
    end: Math.min(end, (i + 1) * size),
    last: (i + 1) * size >= end,
  }));
}

/** Everything but the streams between groups. */
function runBytes(
  spec: ModelSpec,
  size: PassSize,
  { lanes, inFlight }: PassLimits,
  groups: readonly Span[],
  batchTokens: number,
): number {
  const { extraBytes = 0, extraFloats = 0, keptFloats = 0 } = size;
  const weights = Math.max(...groups.map((span) => spanBytes(spec, span, size)));
  const perToken = widestBlockFloats(spec, size.length) + extraFloats;
  const perLane = weights + extraBytes + workerBytes(batchTokens * perToken);
  // What goes to a run and comes back is copied on the way.
  const travelling = inFlight * batchTokens * 2 * (spec.width + keptFloats) * FLOAT_BYTES;
  const kept = size.totalTokens * keptFloats * FLOAT_BYTES;
  return PROCESS_BYTES + lanes * perLane + travelling + kept;
}

/** Weights of one group; a tied head maps the embedding whole. */
function spanBytes(spec: ModelSpec, span: Span, { head, totalTokens }: PassSize): number {
  const blocks = tensorBytes(spec.blocks.slice(span.first, span.end));
  const withHead = head === true && span.last;
  const ends = withHead ? [spec.finalNorm, spec.head] : [];
  if (span.first > 0) return blocks + tensorBytes(ends);
  const whole = tensorBytes([...ends, spec.embedding]);
  return blocks + Math.min(whole, tensorBytes(ends) + tableBytes(spec, totalTokens));
}

/**
 * As many threads as have the whole model mapped within the bound, else one, which runs it group by group.
 * @param memoryBytes undefined for none
 */
export function workersWithin(
  spec: ModelSpec,
  workers: number,
  memoryBytes: number | undefined,
): number {
  if (memoryBytes === undefined) return workers;
  const each =
    tensorBytes(spec) + workerBytes(USUAL_TOKENS * widestBlockFloats(spec, USUAL_LENGTH));
  return Math.max(1, Math.min(workers, Math.floor((memoryBytes - PROCESS_BYTES) / each)));
}

/** The size of a pass that reads sites and logits and keeps all of them. */
export function activationsSize(
  spec: ModelSpec,
  sites: readonly Site[],
  logits: boolean,
  text: Pick<PassSize, 'batchTokens' | 'length' | 'totalTokens'>,
): PassSize {
  const floats = sites.reduce((sum, site) => sum + siteWidth(spec, site), 0);
  const read = floats + (logits ? spec.vocabularySize : 0);
  return {
    ...text,
    blocks: lastBlock(spec, sites, logits),
    head: logits,
    extraFloats: read,
    keptFloats: read,
  };
}

function siteWidth(spec: ModelSpec, site: Site): number {
  const block = spec.blocks[Math.min(site.layer, spec.blocks.length - 1)];
  if (site.kind === 'attn_z' && block !== undefined) {
    return block.attention.heads * block.attention.headDim;
  }
  return site.kind === 'mlp_post' && block !== undefined ? hiddenOf(block) : spec.width;
}
