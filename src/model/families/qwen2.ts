/** Qwen 2: Llama with biases on query, key and value; upper layers may slide. */
import type { ModelConfig } from '../config.ts';
import { sizesOf, slidingLayers } from '../describe.ts';
import { llamaLike } from './llama-like.ts';

/** Window of each layer: from `max_window_layers` on, if `use_sliding_window`. */
export function qwenWindows(config: ModelConfig): readonly (number | undefined)[] {
  const { layers } = sizesOf(config);
  const on = config.flag(['use_sliding_window'], false);
  const window = on ? config.optionalCount(['sliding_window']) : undefined;
  const from = config.number(['max_window_layers'], 28);
  return slidingLayers(config, layers, (layer) => layer >= from).map((slides) =>
    slides ? window : undefined,
  );
}

export const qwen2 = llamaLike(['qwen2'], (config) => {
  const windows = qwenWindows(config);
  return { attentionBias: true, attention: ({ layer }) => ({ window: windows[layer] }) };
});
