/** Qwen 3: Llama with RMSNorm on each query and key head. */
import { type LayerContext, llamaLike } from './llama-like.ts';
import { qwenWindows } from './qwen2.ts';

export const QWEN3_HEAD_DIM = 128;

/** The two norms over head dimensions, under Qwen's names. */
export function headNorms({ tensors, headDim }: LayerContext, epsilon: number) {
  const norm = (name: string) =>
    ({ norm: tensors.rmsNorm(`self_attn.${name}`, headDim, epsilon), over: 'head' }) as const;
  return { queryNorm: norm('q_norm'), keyNorm: norm('k_norm') };
}

export const qwen3 = llamaLike(['qwen3'], (config) => {
  const windows = qwenWindows(config);
  const epsilon = config.positive(['rms_norm_eps'], 1e-6);
  const bias = config.flag(['attention_bias'], false);
  return {
    headDim: QWEN3_HEAD_DIM,
    attentionBias: bias,
    outputBias: bias,
    attention: (context) => ({
      ...headNorms(context, epsilon),
      window: windows[context.layer],
    }),
  };
});
