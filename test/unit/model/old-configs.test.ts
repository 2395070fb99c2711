/** Configs as older transformers releases wrote them describe the same model as today's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ModelConfig } from '../../../src/model/config.ts';
import { describeModel } from '../../../src/model/families/registry.ts';
import { openWeights } from '../../../src/model/weights.ts';
import { MODELS } from '../../golden/golden-case.ts';

type Config = Record<string, unknown>;

/** Gives keys their older names. */
function renamed(config: Config, names: Readonly<Record<string, string>>): Config {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [names[key] ?? key, value]),
  );
}

/** `rope_parameters` as `rope_theta`, `rope_scaling` and the share of a head under its older name. */
function oldRotary(config: Config, share = 'partial_rotary_factor', type = 'rope_type'): Config {
  const { rope_parameters: modern, ...rest } = config;
  const { rope_theta, rope_type, partial_rotary_factor, ...scaling } = modern as Config;
  return {
    ...rest,
    rope_theta,
    rope_scaling: rope_type === 'default' ? null : { [type]: rope_type, ...scaling },
    ...(partial_rotary_factor !== undefined && { [share]: partial_rotary_factor }),
  };
}

function without(config: Config, ...keys: string[]): Config {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !keys.includes(key)));
}

const OLD: Readonly<Record<string, (config: Config) => Config>> = {
  llama: (c) => oldRotary(c),
  'llama-yarn': (c) => oldRotary(c, undefined, 'type'),
  mistral: (c) => oldRotary(c),
  qwen2: (c) => without(oldRotary(c), 'layer_types'),
  gpt_neox: (c) => renamed(oldRotary(c, 'rotary_pct'), { rope_theta: 'rotary_emb_base' }),
  gemma: (c) => ({ ...oldRotary(c), hidden_act: 'gelu' }),
  gemma2: (c) => renamed(without(oldRotary(c), 'layer_types'), { hidden_activation: 'hidden_act' }),
  gemma3: (c) => ({
    ...without(c, 'layer_types', 'rope_parameters', '_sliding_window_pattern'),
    sliding_window_pattern: 2,
    rope_theta: 1e6,
    rope_local_base_freq: 1e4,
    rope_scaling: { rope_type: 'linear', factor: 8 },
  }),
  phi: (c) => oldRotary(c),
  phi3: (c) => ({
    ...oldRotary(c),
    rope_scaling: { type: 'su', short_factor: [1.0, 1.1, 1.3, 1.7], long_factor: [2, 3, 4, 5] },
  }),
  bloom: (c) => renamed(c, { hidden_size: 'n_embed', num_attention_heads: 'n_head' }),
  'falcon-grouped': (c) =>
    renamed(without(oldRotary(c), 'num_ln_in_parallel_attn', 'ffn_hidden_size'), {
      num_hidden_layers: 'n_layer',
      num_attention_heads: 'n_head',
      num_kv_heads: 'n_head_kv',
    }),
  gpt_neo: (c) => without(c, 'attention_layers'),
  smollm3: (c) => without(oldRotary(c), 'layer_types'),
  'qwen3_moe-normalised': (c) => renamed(oldRotary(c), { num_local_experts: 'num_experts' }),
  mixtral: (c) => oldRotary(c),
  'distilbert-masked': (c) => without(c, 'tie_word_embeddings'),
  'bert-classifier': (c) => ({
    ...without(c, 'tie_word_embeddings'),
    position_embedding_type: 'absolute',
  }),
};

test.each(Object.keys(OLD))('%s', (name) => {
  const config: Config = JSON.parse(readFileSync(join(MODELS, name, 'config.json'), 'utf8'));
  const old = OLD[name]?.(config) ?? {};
  expect(old).not.toEqual(config);
  const weights = openWeights(join(MODELS, name));
  const describe = (values: Config) =>
    describeModel(new ModelConfig(values, 'config.json'), weights);
  expect(describe(old)).toEqual(describe(config));
});
