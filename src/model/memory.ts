/** What a model's parts need of memory while they run. Constants were measured with Node 20 on Linux x64 (docs/models.md). */
import type { BlockSpec, ModelSpec } from './spec.ts';

export const FLOAT_BYTES = 4;
/** Node with the engine loaded and a command's own data. */
export const PROCESS_BYTES = 130e6;
/** A worker thread with the engine loaded and a session open. */
const WORKER_BYTES = 40e6;
/** The engine's arena grows in steps and keeps what it has; 1.2 times the live tensors was the most seen. */
const ARENA_FACTOR = 1.5;
/** A row that is looked up in a mapped table may bring its neighbours with it, as many as the kernel maps around a fault. */
const FAULT_BYTES = 65_536;

/** @param floats live numbers of a run */
export function workerBytes(floats: number): number {
  return WORKER_BYTES + ARENA_FACTOR * floats * FLOAT_BYTES;
}

/** Numbers a token that the widest block holds while it runs. */
export function widestBlockFloats(spec: ModelSpec, length: number): number {
  return Math.max(
    0,
    ...spec.blocks.map((block) => {
      const { heads, keyValueHeads, headDim } = block.attention;
      const scores = 3 * heads * length;
      const projections = 2 * (heads + 2 * keyValueHeads) * headDim;
      return 6 * spec.width + 3 * hiddenOf(block) + scores + projections;
    }),
  );
}

export function hiddenOf({ mlp }: BlockSpec): number {
  if (mlp.kind !== 'experts') return mlp.hidden;
  // Experts run one after another.
  return Math.max(...mlp.experts.map(({ hidden }) => hidden));
}

/** Of the embedding, which is mapped too: only rows that are looked up become resident. */
export function tableBytes({ embedding }: ModelSpec, tokens: number): number {
  const whole = tensorBytes(embedding);
  return Math.min(whole, tokens * FAULT_BYTES);
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
