/**
 * Producers' names of places in a model, as our sites: TransformerLens hook names and Hugging Face module paths.
 * A place that this engine cannot tap gives undefined; the producer's words are kept for the reader.
 */

import type { SiteKind } from '../../model/emit/forward.ts';
import type { Site } from '../../model/graphs/activations.ts';

const HOOK_KINDS: Readonly<Record<string, SiteKind>> = {
  hook_resid_pre: 'resid_pre',
  hook_resid_mid: 'resid_mid',
  hook_resid_post: 'resid_post',
  hook_attn_out: 'attn_out',
  hook_mlp_out: 'mlp_out',
  'attn.hook_z': 'attn_z',
};

/** `blocks.7.hook_resid_pre` */
export function siteOfHook(name: string): Site | undefined {
  const match = /^blocks\.(\d{1,4})\.(.+)$/.exec(name);
  const kind = HOOK_KINDS[match?.[2] ?? ''];
  return kind === undefined ? undefined : { kind, layer: Number(match?.[1]) };
}

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
