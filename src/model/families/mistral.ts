/** Mistral: Llama with a sliding window in every layer (older configs), and a head size of its own. */
import { llamaLike } from './llama-like.ts';

export const mistral = llamaLike(['mistral'], (config) => {
  // An absent window means the default of the first release; null means none.
  const window =
    config.raw('sliding_window') === undefined ? 4096 : config.optionalCount(['sliding_window']);
  return { attention: () => ({ window }) };
});
