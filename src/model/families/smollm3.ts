/** SmolLM 3: Llama where every fourth layer has no positions at all. */
import type { ModelConfig } from '../config.ts';
import { sizesOf } from '../describe.ts';
import { llamaLike } from './llama-like.ts';
import { qwenWindows } from './qwen2.ts';

/** Whether each layer rotates; the config's list holds 1 where it does. */
function rotatingLayers(config: ModelConfig): readonly boolean[] {
  const { layers } = sizesOf(config);
  const list = config.raw('no_rope_layers');
  if (list === undefined || list === null) {
    const interval = config.count(['no_rope_layer_interval'], 4);
    return Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0);
  }
  if (!Array.isArray(list) || list.length !== layers) {
    throw config.fail(`no_rope_layers does not name ${layers} layers`);
  }
  return list.map((value) => value === 1 || value === true);
}

export const smollm3 = llamaLike(['smollm3'], (config) => {
  const rotates = rotatingLayers(config);
  const windows = config.has('layer_types') ? qwenWindows(config) : [];
  const bias = config.flag(['attention_bias'], false);
  return {
    tiedByDefault: true,
    attentionBias: bias,
    outputBias: bias,
    mlpBias: config.flag(['mlp_bias'], false),
    rotary: { theta: 2_000_000 },
    attention: ({ layer }) => ({
      window: windows[layer],
      ...(rotates[layer] === false && { rotary: undefined }),
    }),
  };
});
