/** Qwen 3 with experts: some layers may keep a dense MLP. */
import type { ModelConfig } from '../config.ts';
import { activationOf } from '../describe.ts';
import { expertMlp } from './experts.ts';
import { gatedMlp, llamaLike } from './llama-like.ts';
import { qwenWindows } from './qwen2.ts';
import { headNorms, QWEN3_HEAD_DIM } from './qwen3.ts';

function isSparse(config: ModelConfig, layer: number): boolean {
  const dense = config.raw('mlp_only_layers');
  if (Array.isArray(dense) && dense.includes(layer)) return false;
  return (layer + 1) % config.count(['decoder_sparse_step'], 1) === 0;
}

export const qwen3Moe = llamaLike(['qwen3_moe'], (config) => {
  const windows = qwenWindows(config);
  const epsilon = config.positive(['rms_norm_eps'], 1e-6);
  const bias = config.flag(['attention_bias'], false);
  const activation = activationOf(config, 'silu');
  return {
    headDim: QWEN3_HEAD_DIM,
    attentionBias: bias,
    outputBias: bias,
    attention: (context) => ({ ...headNorms(context, epsilon), window: windows[context.layer] }),
    mlp: ({ tensors, width, layer }) =>
      isSparse(config, layer)
        ? expertMlp(config, tensors.at('mlp'), {
            width,
            hidden: config.count(['moe_intermediate_size'], 768),
            activation,
            normaliseChosen: config.flag(['norm_topk_prob'], false),
            names: ['gate_proj', 'up_proj', 'down_proj'],
          })
        : gatedMlp(tensors.at('mlp'), width, config.count(['intermediate_size']), { activation }),
  };
});
