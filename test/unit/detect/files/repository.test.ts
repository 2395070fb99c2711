/** Facts about whole folders that no stored case can hold: links, pointers, generated tokens. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isGap } from '../../../../src/judge/verdict.ts';
import { runFileStage } from '../../../../src/scan/file-stage.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'narrowfire-repo-')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, 'm', name, '..'), { recursive: true });
    writeFileSync(join(root, 'm', name), text);
  }
}

async function scan() {
  return runFileStage({ given: 'm', root: join(root, 'm'), name: 'm', kind: 'model-folder' });
}

describe('repository facts', () => {
  it('reports a link that leaves with its target', async () => {
    write({ 'config.json': '{}' });
    symlinkSync('/etc/hostname', join(root, 'm', 'model.bin'));
    const { evidence } = await scan();
    expect(evidence).toContainEqual(
      expect.objectContaining({ kind: 'link-leaves-folder', path: 'm/model.bin' }),
    );
  });

  it('never passes a Git LFS pointer', async () => {
    write({
      'model.safetensors': `version https://git-lfs.github.com/spec/v1\noid sha256:${'1'.repeat(64)}\nsize 99\n`,
    });
    const { evidence, notCovered } = await scan();
    expect(evidence).toEqual([]);
    expect(notCovered.map(({ what }) => what)).toEqual(['m/model.safetensors']);
    expect(notCovered.every(isGap)).toBe(true);
    expect(notCovered[0]?.why).toContain('99 bytes');
  });

  it('finds a token, shows only its start, and places it', async () => {
    const token = `hf_${'AbCdEfGhIjKlMnOpQrStUvWxYz'}${'ZyXwVuTs'}`;
    write({ 'upload.py': `# upload\ntoken = "${token}"\n` });
    const { evidence } = await scan();
    const [fact] = evidence.filter(({ kind }) => kind === 'secret-found');
    expect(fact).toMatchObject({ secret: 'Hugging Face token', location: { line: 2 } });
    expect(JSON.stringify(evidence)).not.toContain(token);
  });

  it('says that code of another repository was not covered', async () => {
    write({ 'config.json': '{"auto_map": {"AutoModel": "a/b--c.D"}}' });
    const { notCovered } = await scan();
    expect(notCovered).toHaveLength(1);
    expect(notCovered.every(isGap)).toBe(true);
  });

  it('reads the code that auto_map names in a subfolder', async () => {
    write({
      'text_encoder/config.json': '{"auto_map": {"AutoModel": "pkg.modeling.D"}}',
      'text_encoder/pkg/modeling.py': 'import os\nos.system("echo inert")\n',
    });
    const { evidence } = await scan();
    expect(evidence).toContainEqual(
      expect.objectContaining({
        kind: 'code-calls',
        path: 'm/text_encoder/pkg/modeling.py',
        loader: 'auto_map',
        calls: ['os.system'],
      }),
    );
  });

  it('judges one file alone without missing its neighbours', async () => {
    write({
      'tokenizer.json': '{"model": {"vocab": {"yes": 1, "no": 1}}}',
      'config.json': '{"auto_map": {"AutoModel": "modeling.M"}}',
      'model.safetensors.index.json': '{"weight_map": {"a": "model-1.safetensors"}}',
    });
    const one = async (name: string) => {
      const path = join(root, 'm', name);
      return runFileStage({ given: path, root: path, name, kind: 'file' });
    };
    expect((await one('tokenizer.json')).evidence).toMatchObject([{ problem: 'shared-id' }]);
    expect((await one('config.json')).evidence).toMatchObject([{ origin: 'inside' }]);
    expect(await one('model.safetensors.index.json')).toMatchObject({
      evidence: [],
      notCovered: [],
    });
  });

  it('gives a broken JSON configuration to the file detectors and goes on', async () => {
    write({ 'config.json': '{"auto_map": ', 'handler.py': 'eval("1")\n' });
    const { evidence } = await scan();
    expect(evidence.some(({ kind }) => kind === 'code-calls')).toBe(true);
  });
});
