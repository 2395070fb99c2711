import { describe, expect, test } from 'vitest';
import type { ScanError } from '../../../src/errors.ts';
import { activationsGraph } from '../../../src/model/graphs/activations.ts';
import { placeName, resolvePlace } from '../../../src/model/site-names.ts';
import { openGolden } from '../../golden/golden-case.ts';

const { spec: llama } = openGolden('llama');
const { spec: neox } = openGolden('gpt_neox');
const { spec: bert } = openGolden('bert');
const { spec: gemma2 } = openGolden('gemma2');

describe('site names', () => {
  test.each([
    ['resid_post.1', 'resid_post.1'],
    ['resid_pre.2', 'resid_pre.2'],
    ['final', 'final'],
    ['logits', 'logits'],
    ['hook_embed', 'embed'],
    ['blocks.1.hook_resid_pre', 'resid_pre.1'],
    ['blocks.0.attn.hook_z', 'attn_z.0'],
    ['blocks.0.hook_mlp_in', 'resid_mid.0'],
    ['blocks.0.ln2.hook_normalized', 'ln2_normalized.0'],
    ['blocks.0.hook_out', 'resid_post.0'],
    ['ln_final.hook_normalized', 'final_normalized'],
    ['model.layers.1.output', 'resid_post.1'],
    ['model.layers.1.output[0]', 'resid_post.1'],
    ['model.layers.1.self_attn.o_proj.input', 'attn_z.1'],
    ['model.layers.1.mlp.input', 'mlp_in.1'],
    ['model.norm.input', 'resid_post.1'],
    ['lm_head.output', 'logits'],
  ])('%s is %s in a llama', (name, place) => {
    expect(placeName(resolvePlace(llama, name))).toBe(place);
  });

  test('a norm on a sublayer gives what is added', () => {
    const name = 'model.layers.0.post_feedforward_layernorm.output';
    expect(placeName(resolvePlace(gemma2, name))).toBe('mlp_out.0');
    expect(() => resolvePlace(gemma2, 'model.layers.0.mlp.output')).toThrow('no site');
  });

  test.each([
    'resid_post.2',
    'resid_pre.3',
    'resid_post',
    'resid_post.-1',
    'resid_post.01',
    'final.0',
    'blocks.7.hook_resid_pre',
    'blocks.0.constructor',
    'toString',
    'model.layers.9.output',
    '',
  ])('refuses %j', (name) => {
    expect(() => resolvePlace(llama, name)).toThrowError(
      expect.objectContaining({ code: 'E_USAGE' } satisfies Partial<ScanError>),
    );
  });

  test('knows what a model lacks', () => {
    expect(() => resolvePlace(neox, 'resid_mid.0')).toThrow('no site');
    expect(() => resolvePlace(bert, 'ln1_normalized.0')).toThrow('no site');
    expect(() => resolvePlace(bert, 'logits')).toThrow('no site');
    expect(() =>
      activationsGraph(neox, [{ kind: 'resid_mid', layer: 0 }], { logits: false, positions: 4 }),
    ).toThrow('no site resid_mid.0');
  });
});
