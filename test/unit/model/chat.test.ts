/** Chat templates are programs of strangers: they are found, rendered within limits, and never stop a scan. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RENDER_LIMITS, renderChat } from '../../../src/model/chat/render.ts';
import { chatTemplateOf } from '../../../src/model/chat/template-of.ts';

const folder = mkdtempSync(join(tmpdir(), 'narrowfire-chat-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PLAIN = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}";
const render = (source: string, limits = RENDER_LIMITS) =>
  renderChat(
    { source, variables: { bos_token: '<s>' }, conversations: [[{ role: 'user', content: 'hi' }]] },
    limits,
  );

describe('renderChat', () => {
  it('gives the words of the template around the contents', async () => {
    expect(await render(`{{ bos_token }}${PLAIN}`)).toEqual([{ text: '<s><user>hi' }]);
  });

  it('gives the same date in every scan', async () => {
    const source = "{{ strftime_now('%d %B %Y') }}";
    expect(await render(source)).toEqual([{ text: '15 January 2026' }]);
  });

  it('passes on what a template refuses', async () => {
    const [first] = await render("{{ raise_exception('no system role') }}");
    expect(first).toMatchObject({ refused: expect.stringContaining('no system role') });
  });

  it('cuts what writes without end', async () => {
    const [first] = await render("{% for i in range(9000) %}{{ 'abc' }}{% endfor %}");
    expect(first).toMatchObject({ refused: expect.stringContaining('too long') });
  });

  it('ends loops', async () => {
    const loop = '{% for i in range(99999) %}'.repeat(3) + '{% endfor %}'.repeat(3);
    await expect(render(loop, { ...RENDER_LIMITS, maxSeconds: 1 })).rejects.toMatchObject({
      code: 'E_LIMIT',
    });
  });

  it('bounds memory', async () => {
    const doubling = `{% set x = [1, 2, 3, 4] %}${'{% set x = x + x %}'.repeat(60)}{{ x | length }}`;
    const result = await render(doubling).catch((error: unknown) => [error]);
    // An array may also become too long for the language first, which the template is told.
    expect(JSON.stringify(result)).toMatch(/E_LIMIT|E_FORMAT|refused/);
  });

  it('refuses what is no template, and what is too long', async () => {
    await expect(render('{% for')).rejects.toMatchObject({ code: 'E_FORMAT' });
    await expect(render('x'.repeat(200_000))).rejects.toMatchObject({ code: 'E_LIMIT' });
  });
});

describe('chatTemplateOf', () => {
  const model = (name: string, files: Readonly<Record<string, string>>): string => {
    const path = join(folder, name);
    cpSync('test/fixtures/models/stories260K', path, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  };

  it('reads the key, the list of named templates, and the file that wins over both', () => {
    const config = (template: unknown) =>
      JSON.stringify({ chat_template: template, bos_token: { content: '<s>' } });
    expect(chatTemplateOf(model('a', { 'tokenizer_config.json': config('T') }))).toMatchObject({
      source: 'T',
      variables: { bos_token: '<s>' },
    });
    const named = [
      { name: 'tools', template: 'A' },
      { name: 'default', template: 'B' },
    ];
    expect(chatTemplateOf(model('b', { 'tokenizer_config.json': config(named) }))?.source).toBe(
      'B',
    );
    const both = { 'tokenizer_config.json': config('T'), 'chat_template.jinja': 'F' };
    expect(chatTemplateOf(model('c', both))?.source).toBe('F');
  });

  it('finds none where there is none or where the file is broken', () => {
    expect(chatTemplateOf('test/fixtures/models/stories260K')).toBeUndefined();
    expect(chatTemplateOf(model('d', { 'tokenizer_config.json': '{' }))).toBeUndefined();
    expect(chatTemplateOf(model('e', { 'tokenizer_config.json': '[null]' }))).toBeUndefined();
    const odd = JSON.stringify({ chat_template: [null, 3] });
    expect(chatTemplateOf(model('f', { 'tokenizer_config.json': odd }))).toBeUndefined();
  });
});
