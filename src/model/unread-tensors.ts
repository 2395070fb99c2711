/** Which tensors of a file the description does not use: nothing that runs can show what they hold. */
import type { ModelSpec } from './spec.ts';

/** Buffers that older files carry and that hold no weights: causal masks, position ranges, rotary frequencies. */
const BUFFERS =
  /(?:^|\.)(?:attn\.(?:attention\.)?(?:bias|masked_bias)|attention\.(?:bias|masked_bias)|rotary_emb\.inv_freq|embeddings\.position_ids)$/;

/** @param names all tensors of the model @returns those that are neither in `spec` nor known buffers, sorted */
export function unreadTensors(spec: ModelSpec, names: Iterable<string>): string[] {
  const read = new Set<string>();
  collectNames(spec, read);
  return [...names].filter((name) => !read.has(name) && !BUFFERS.test(name)).sort();
}

function collectNames(value: unknown, names: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  if ('dtype' in value && 'name' in value) {
    names.add(String(value.name));
    return;
  }
  for (const part of Object.values(value)) collectNames(part, names);
}
