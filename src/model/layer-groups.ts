/**
 * Which blocks of a model to run together so that memory stays within a bound. Weights are mapped, and only those of
 * the group that runs are resident; between groups every batch's stream is kept.
 */
import { ScanError } from '../errors.ts';
import { lastBlock, type Site, type Span } from './graphs/activations.ts';
import type { BlockSpec, ModelSpec } from './spec.ts';

/** What is asked of one pass. */
export interface PassSize {
  /** Tokens in one batch, padding included. */
  readonly batchTokens: number;
  /** Tokens of the longest text. */
  readonly length: number;
  /** Tokens of all batches together. */
  readonly totalTokens: number;
  readonly sites: readonly Site[];
  readonly logits: boolean;
}

export interface LayerPlan {
  readonly groups: readonly Span[];
  /** Most resident memory that the pass should need, bytes, the process itself included. */
  readonly peakBytes: number;
}

/** Node with the engine loaded and idle: about 95 MB of process and 25 MB of engine, measured on Linux x64. */
const PROCESS_BYTES = 140e6;
/** The engine's arena grows in steps and keeps what it has; 1.2 times the live tensors was the most seen. */
const ARENA_FACTOR = 1.5;
const FLOAT_BYTES = 4;

/**
 * As few groups as fit.
 * @param memoryBytes bound on the peak; undefined for none
 * @throws ScanError `E_LIMIT` when even one block at a time does not fit
 */
export function planLayers(spec: ModelSpec, size: PassSize, memoryBytes?: number): LayerPlan {
  const end = lastBlock(spec, size.sites, size.logits);
  const fixed = PROCESS_BYTES + embeddingBytes(spec, size) + outputBytes(spec, size);
  const working = workingBytes(spec, size);
  // Two streams of every batch: the one that is read and the one that is written.
  const held = 2 * size.totalTokens * spec.width * FLOAT_BYTES;
  const headBytes = size.logits ? tensorBytes([spec.finalNorm, spec.head]) : 0;
  const blockBytes = spec.blocks.map((block) => tensorBytes(block));
  const weightsOf = (span: Span) =>
    blockBytes.slice(span.first, span.end).reduce((sum, bytes) => sum + bytes, 0) +
    (span.end === spec.blocks.length ? headBytes : 0);

  let peakBytes = 0;
  for (let count = 1; count <= Math.max(1, end); count++) {
    const groups = spansOf(end, Math.max(1, Math.ceil(end / count)));
    peakBytes =
      fixed + working + (groups.length > 1 ? held : 0) + Math.max(...groups.map(weightsOf));
    if (memoryBytes === undefined || peakBytes <= memoryBytes) return { groups, peakBytes };
  }
  throw new ScanError('E_LIMIT', `the pass needs ${peakBytes} bytes even block by block`, {
    hint: 'Give more memory, or fewer or shorter texts at a time.',
  });
}

function spansOf(end: number, size: number): Span[] {
  if (end === 0) return [{ first: 0, end: 0 }];
  return Array.from({ length: Math.ceil(end / size) }, (_, i) => ({
    first: i * size,
    end: Math.min(end, (i + 1) * size),
  }));
}

/** Rows that are looked up; a mapped table's other rows stay on disk. */
function embeddingBytes(spec: ModelSpec, { batchTokens, totalTokens }: PassSize): number {
  const rows = Math.min(spec.vocabularySize, Math.max(batchTokens, totalTokens));
  // A page is read for a row, however short.
  return rows * Math.max(4096, spec.width * FLOAT_BYTES);
}

function outputBytes(
  spec: ModelSpec,
  { totalTokens, batchTokens, sites, logits }: PassSize,
): number {
  const sitesWidth = sites.reduce((sum, site) => sum + siteWidth(spec, site), 0);
  const rowBytes = (sitesWidth + (logits ? spec.vocabularySize : 0)) * FLOAT_BYTES;
  // Once in the engine for the batch that runs, once in the results.
  return rowBytes * (totalTokens + batchTokens);
}

function siteWidth(spec: ModelSpec, site: Site): number {
  const block = spec.blocks[Math.min(site.layer, spec.blocks.length - 1)];
  if (site.kind === 'attn_z' && block !== undefined) {
    return block.attention.heads * block.attention.headDim;
  }
  return site.kind === 'mlp_post' && block !== undefined ? hiddenOf(block) : spec.width;
}

/** Live tensors of one block while it runs. */
function workingBytes(spec: ModelSpec, { batchTokens, length }: PassSize): number {
  const widest = Math.max(
    0,
    ...spec.blocks.map((block) => {
      const { heads, keyValueHeads, headDim } = block.attention;
      const scores = 3 * heads * length;
      const projections = 2 * (heads + 2 * keyValueHeads) * headDim;
      return 6 * spec.width + 3 * hiddenOf(block) + scores + projections;
    }),
  );
  return ARENA_FACTOR * batchTokens * widest * FLOAT_BYTES;
}

function hiddenOf({ mlp }: BlockSpec): number {
  if (mlp.kind !== 'experts') return mlp.hidden;
  // Experts run one after another.
  return Math.max(...mlp.experts.map(({ hidden }) => hidden));
}

/** Bytes of the distinct tensors in a part of a description. */
export function tensorBytes(part: unknown): number {
  const seen = new Map<string, number>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('byteLength' in value && 'name' in value) {
      seen.set(String(value.name), Number(value.byteLength));
      return;
    }
    for (const item of Object.values(value)) visit(item);
  };
  visit(part);
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
}
