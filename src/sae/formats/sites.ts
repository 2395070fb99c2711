/**
 * Hugging Face module paths in dictionary files, as our sites. The model is not at hand when a file is read, so only
 * paths that mean one place in every family are known; a place that is not gives undefined, and the producer's words
 * are kept for the reader.
 */

import type { Site } from '../../model/graphs/activations.ts';

/** `model.layers.7.output`, `layers.7.mlp`, `transformer.h.7`; a module alone means its output. */
export function siteOfModule(path: string): Site | undefined {
  const match = /(?:^|\.)(?:layers|h|blocks)\.(\d{1,4})(?:\.(.+))?$/.exec(path);
  if (match === null) return undefined;
  const layer = Number(match[1]);
  switch ((match[2] ?? 'output').replace(/\.output$/, '')) {
    case 'output':
      return { kind: 'resid_post', layer };
    case 'input':
      return { kind: 'resid_pre', layer };
    case 'mlp.input':
    case 'pre_feedforward_layernorm':
      return { kind: 'mlp_in', layer };
    case 'mlp':
    case 'post_feedforward_layernorm':
      return { kind: 'mlp_out', layer };
    case 'attn':
    case 'self_attn':
    case 'attention':
      return { kind: 'attn_out', layer };
    case 'self_attn.o_proj.input':
    case 'attn.c_proj.input':
    case 'attention.dense.input':
      return { kind: 'attn_z', layer };
    default:
      return undefined;
  }
}
