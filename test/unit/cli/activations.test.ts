import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { activationsSize, planLayers } from '../../../src/model/layer-groups.ts';
import { openModel } from '../../../src/model/open-model.ts';
import { MODELS, openGolden, readTensors } from '../../golden/golden-case.ts';
import { run } from './run.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-activations-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function activations(model: string, ...flags: string[]) {
  return run(['activations', join(MODELS, model), '--out', 'a.safetensors', ...flags], {
    cwd: folder,
  });
}

describe('narrowfire activations', () => {
  test('writes the same values under all three kinds of names, and logits equal to transformers', async () => {
    const golden = openGolden('stories260K');
    const ids = golden.ids.slice(0, golden.length);
    const names = ['resid_pre.1', 'blocks.1.hook_resid_pre', 'model.layers.1.input', 'logits'];
    const ran = await activations('stories260K', '--ids', ids.join(), '--sites', names.join());
    expect(ran).toMatchObject({ code: 0, stdout: '' });
    const { floats, whole } = readTensors(join(folder, 'a.safetensors'));
    expect(whole.get('ids')).toEqual(ids);
    expect([...floats.keys()].sort()).toEqual([...names].sort());
    for (const name of names) {
      const actual = floats.get(name);
      const site = name === 'logits' ? 'logits' : 'resid_pre.1';
      const expected = golden.tensors.get(site)?.data ?? new Float32Array();
      expect(actual?.shape).toEqual([golden.length, name === 'logits' ? 512 : 64]);
      actual?.data.forEach((value, i) => {
        expect(Math.abs(value - (expected[i] ?? Number.NaN))).toBeLessThan(1e-4);
      });
    }
  });

  test('reads text, with special tokens around it if asked', async () => {
    const ran = await activations('stories260K', '--text', 'Once upon a time', '--special');
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain('tokens: 1,403,407,261,378\n');
    expect(readTensors(join(folder, 'a.safetensors')).floats.get('logits')?.shape).toEqual([
      5, 512,
    ]);
  });

  test('states its memory, and runs in groups of layers within a bound', async () => {
    const whole = await activations('stories260K', '--ids', '1,2,3', '--sites', 'resid_post.4');
    expect(whole.stderr).toMatch(/^memory: at most \d+ MB, in 1 group of layers\n/);
    const before = readTensors(join(folder, 'a.safetensors')).floats.get('resid_post.4');
    const { spec } = openModel(join(MODELS, 'stories260K'));
    const sites = [{ kind: 'resid_post', layer: 4 }] as const;
    const text = { batchTokens: 3, length: 3, totalTokens: 3 };
    const limits = { lanes: 1, inFlight: 1 };
    const { peakBytes } = planLayers(spec, activationsSize(spec, sites, false, text), limits);
    const bound = ['--memory', String(Math.floor(peakBytes) - 300_000)];
    const ran = await activations(
      'stories260K',
      '--ids',
      '1,2,3',
      '--sites',
      'resid_post.4',
      ...bound,
    );
    expect(ran.stderr).toMatch(/in [2-5] groups of layers\n/);
    expect(readTensors(join(folder, 'a.safetensors')).floats.get('resid_post.4')).toEqual(before);
    const little = await activations('stories260K', '--ids', '1', '--memory', '50MB');
    expect(little).toMatchObject({ code: 4 });
    expect(little.stderr).toContain('even block by block');
    expect((await activations('stories260K', '--ids', '1', '--memory', 'much')).code).toBe(2);
  });

  test.runIf(process.platform === 'linux')('names what a device lacks, and the mend', async () => {
    const ran = await activations('stories260K', '--ids', '1', '--device', 'dml');
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/^E_DEVICE: dml is not available: .* Or use --device cpu\.\n$/);
  });

  test.each([
    [['--ids', '1,x'], '"x" is not a token id'],
    [['--ids', '1,512'], 'id 512 is beyond the 512 tokens'],
    [['--ids', '1', '--sites', 'resid_post.9'], 'has no site "resid_post.9"'],
    [['--ids', Array(600).fill('1').join()], '600 tokens, the model takes 512'],
    [['--text', ''], 'no tokens were given'],
    [[], 'give --ids or --text'],
  ])('%j ends with a usage error', async (flags, message) => {
    const ran = await activations('stories260K', ...flags);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(message);
  });
});
