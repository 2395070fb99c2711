import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILTIN_RULES } from '../../../src/judge/load-rules.ts';
import { renderJson } from '../../../src/report/json.ts';
import { backdoored, clean, hostile, incomplete, render } from '../report/samples.ts';
import { run } from './run.ts';

let folder = '';
let stored = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-commands-'));
  stored = join(folder, 'result.json');
  writeFileSync(stored, render(renderJson(backdoored())));
  writeFileSync(join(folder, 'clean.json'), render(renderJson(clean())));
  writeFileSync(join(folder, 'incomplete.json'), render(renderJson(incomplete())));
  writeFileSync(join(folder, 'hostile.json'), render(renderJson(hostile())));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('explain', () => {
  it.each(['NF5001', 'nf5001', 'trigger-controls-output'])('knows a rule as %s', async (name) => {
    const ran = await run(['explain', name]);
    expect(ran.stdout).toContain('Limits and false positives');
    expect(ran.stdout).toContain('CWE-511 Logic/Time Bomb');
    expect(ran.code).toBe(0);
  });

  it('knows a finding by the start of its fingerprint', async () => {
    const fingerprint = backdoored().targets[0]?.findings[0]?.fingerprint ?? '';
    const ran = await run(['explain', fingerprint.slice(0, 8), '--from', stored]);
    expect(ran.stdout).toContain('Buy more candy');
    expect(ran.stdout).toContain('What to do');
    const json = await run(['explain', fingerprint, '--from', stored, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ fingerprint });
  });

  it('shows hostile findings safely', async () => {
    for (const finding of hostile().targets[0]?.findings.slice(0, 3) ?? []) {
      const ran = await run([
        'explain',
        finding.fingerprint,
        '--from',
        join(folder, 'hostile.json'),
      ]);
      expect(ran.stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    }
  });

  it('ends with 2 for what is neither', async () => {
    expect(await run(['explain', 'zzz'])).toMatchObject({ code: 2, stdout: '' });
    expect(await run(['explain', 'ffffffff', '--from', stored])).toMatchObject({ code: 2 });
    expect((await run(['explain', 'ffffffff', '--from', '/no/such'])).stderr).toContain(
      'E_NOT_FOUND',
    );
  });
});

describe('rules', () => {
  it('lists them as text and JSON', async () => {
    const text = await run(['rules', 'list']);
    expect(text.stdout).toMatch(/^NF1000 +warning +malformed-file/);
    const json = JSON.parse((await run(['rules', 'list', '--json'])).stdout) as { id: string }[];
    expect(json.map(({ id }) => id)).toContain('NF5001');
    expect(JSON.stringify(json)).not.toContain(BUILTIN_RULES);
  });

  it('tests and validates a folder of own rules', async () => {
    const own = join(folder, 'rules');
    mkdirSync(own);
    cpSync(join(BUILTIN_RULES, 'malformed-file'), join(own, 'own-malformed'), { recursive: true });
    const file = join(own, 'own-malformed/rule.yaml');
    const text = readFileSync(file, 'utf8')
      .replace('NF1000', 'ACME0001')
      .replace('name: malformed-file', 'name: own-malformed');
    writeFileSync(file, text);
    expect(await run(['rules', 'validate', own])).toMatchObject({
      code: 0,
      stdout: '1 valid, 0 wrong\n',
    });
    const good = await run(['rules', 'test', own]);
    expect(good.code).toBe(0);
    expect(good.stdout).toMatch(/\d+ passed, 0 failed\n$/);

    writeFileSync(file, text.replace('!(e.code in t.notTheFile)', 'e.code in t.notTheFile'));
    const bad = await run(['rules', 'test', own]);
    expect(bad.code).toBe(1);
    expect(bad.stdout).toMatch(/FAIL {2}ACME0001 own-malformed\/positive-.*: gave no finding/);

    writeFileSync(file, text.replace('CWE-1288', 'CWE-99999'));
    const unpinned = await run(['rules', 'validate', own]);
    expect(unpinned).toMatchObject({ code: 2 });
    expect(unpinned.stderr).toContain('CWE-99999 is not pinned');

    writeFileSync(file, text.replace('level: warning', 'level: bad'));
    expect((await run(['rules', 'validate', own])).stderr).toMatch(
      /^E_RULE .*rule\.yaml:\d+: level/,
    );
  });
});

describe('convert', () => {
  it.each(['sarif', 'html', 'markdown', 'junit', 'github', 'pretty', 'json'])(
    'writes %s',
    async (format) => {
      const ran = await run(['convert', stored, '--format', format]);
      expect(ran.code).toBe(0);
      expect(ran.stdout).toMatch(/NF5001|trigger-controls-output/);
      expect(ran.stderr).toBe('');
    },
  );

  it('redacts what is shared and leaves the full report whole', async () => {
    const shared = join(folder, 'shared.sarif');
    const full = join(folder, 'full.json');
    const ran = await run([
      'convert',
      stored,
      '-o',
      `sarif=${shared}`,
      '--redact',
      'all',
      '--full-output',
      `json=${full}`,
    ]);
    expect(ran).toMatchObject({ code: 0, stdout: '' });
    expect(readFileSync(shared, 'utf8')).not.toContain('Buy more candy');
    expect(readFileSync(full, 'utf8')).toContain('Buy more candy');
  });

  it('uses the salt of the environment, and never writes it', async () => {
    const env = { NARROWFIRE_REDACT_SALT: 'pepper-and-salt' };
    const args = ['convert', stored, '--format', 'json', '--redact', 'triggers'];
    const [one, two, other] = [await run(args, { env }), await run(args, { env }), await run(args)];
    expect(one.stdout).toBe(two.stdout);
    expect(one.stdout).not.toBe(other.stdout);
    expect(one.stdout).not.toContain('pepper');
  });

  it.each([
    ['/no/such.json', 3],
    ['package.json', 4],
  ])('fails for %s', async (file, code) => {
    expect(await run(['convert', file, '--format', 'html'])).toMatchObject({ code, stdout: '' });
  });
});

describe('merge', () => {
  it('ends with the joined exit code', async () => {
    const clean = join(folder, 'clean.json');
    expect((await run(['merge', clean, stored])).code).toBe(1);
    expect((await run(['merge', clean, join(folder, 'incomplete.json')])).code).toBe(4);
    expect((await run(['merge', clean])).code).toBe(0);
  });
});

describe('baseline', () => {
  it('writes a file that scan reads', async () => {
    const file = join(folder, 'made/baseline.json');
    expect((await run(['baseline', stored, '-o', file])).code).toBe(0);
    expect(existsSync(file)).toBe(true);
    const ran = await run([
      'scan',
      folder,
      '--profile',
      'files',
      '--baseline',
      file,
      '--no-config',
    ]);
    expect(ran.stderr).not.toContain('E_CONFIG');
  });
});

describe('completion', () => {
  it('completes commands, options and choices in bash', async () => {
    const script = join(folder, 'completion.bash');
    writeFileSync(script, (await run(['completion', 'bash'])).stdout);
    const complete = (...words: string[]): string =>
      execFileSync(
        'bash',
        [
          '-c',
          // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash.
          'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _narrowfire; echo "${COMPREPLY[@]}"',
          'bash',
          script,
          'narrowfire',
          ...words,
        ],
        { encoding: 'utf8' },
      ).trim();
    expect(complete('sca')).toBe('scan');
    expect(complete('rules', 'va')).toBe('validate');
    expect(complete('scan', '--fail')).toBe('--fail-on');
    expect(complete('scan', '--profile', 'q')).toBe('quick');
  });

  it.each(['zsh', 'fish'])('names every command in %s', async (shell) => {
    const { stdout, code } = await run(['completion', shell]);
    expect(code).toBe(0);
    for (const word of ['scan', 'explain', 'rules', 'validate', 'fail-on'])
      expect(stdout).toContain(word);
  });
});

describe('help', () => {
  it('groups commands and ends with the exit codes', async () => {
    const ran = await run(['--help']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/Look for backdoors:\n +scan/);
    expect(ran.stdout).toContain('130  interrupted');
  });

  it('has examples for every command that takes arguments', async () => {
    for (const name of ['scan', 'explain', 'convert', 'merge', 'baseline', 'rules', 'completion']) {
      expect((await run([name, '--help'])).stdout, name).toContain('Examples:');
    }
  });

  it('ends with 2 and help on stderr when nothing is asked', async () => {
    const ran = await run([]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('Usage: narrowfire');
  });
});
