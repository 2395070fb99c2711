/** action.yml and the workflows as files: pins, script bodies, inputs, the documents, and zizmor's opinion. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DEFAULTS, variableOf } from '../../src/action/inputs.ts';
import { readActionFile } from './composite.ts';

const action = readActionFile();
const workflows = readdirSync('.github/workflows').map((name) => join('.github/workflows', name));

it('pins every action by commit, with its version beside it', () => {
  for (const file of ['action.yml', ...workflows]) {
    const lines = readFileSync(file, 'utf8').split('\n');
    const uses = lines.filter((line) => /^\s*(- )?uses: (?!\.\/)/.test(line));
    expect(uses.length).toBeGreaterThan(0);
    for (const line of uses) expect(line).toMatch(/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  }
});

it('pins each action to one commit everywhere, the documents included', () => {
  const commits = new Map<string, Set<string>>();
  for (const file of ['action.yml', ...workflows, 'docs/action.md']) {
    for (const [, name = '', commit = ''] of readFileSync(file, 'utf8').matchAll(
      /uses: ([\w-]+\/[\w-]+)[\w/-]*@([0-9a-f]{40})/g,
    )) {
      commits.set(name, (commits.get(name) ?? new Set()).add(commit));
    }
  }
  expect([...commits.values()].every((set) => set.size === 1)).toBe(true);
});

it('puts no expression into a script', () => {
  for (const { name, run, shell, env } of action.runs.steps) {
    if (run === undefined) continue;
    expect(shell).toBe('bash');
    expect(`${name}: ${run}`).not.toContain('${{');
    expect(JSON.stringify(env)).not.toMatch(/secrets\.|github\.token|inputs\.token/);
  }
  expect(action.runs.using).toBe('composite');
});

it('has the inputs and defaults that the code has, each given by environment', () => {
  const defaults = Object.entries(action.inputs).map(([name, input]) => [name, input.default]);
  expect(Object.fromEntries(defaults)).toEqual(DEFAULTS);
  for (const id of ['plan', 'scan']) {
    const step = action.runs.steps.find((one) => one.id === id);
    const expected = Object.keys(DEFAULTS).map((name) => [
      variableOf(name),
      `\${{ inputs.${name} }}`,
    ]);
    expect(step?.env).toEqual(Object.fromEntries(expected));
  }
});

it('is what docs/action.md says', () => {
  const document = readFileSync('docs/action.md', 'utf8');
  const rows = (heading: string) => {
    const section = document.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
    return [...section.matchAll(/^\| `([^`]+)` *\| (.*?) *\|$/gm)].map(([, name, rest]) => [
      name,
      rest?.split(' | ').map((cell) => cell.trim()),
    ]);
  };
  const inputs = Object.entries(action.inputs).map(([name, { description, default: value }]) => [
    name,
    [value === '' ? '' : `\`${value}\``, description],
  ]);
  expect(rows('Inputs').map(([name, cells]) => [name, cells])).toEqual(
    inputs.map(([name, cells]) => [name, cells]),
  );
  const outputs = Object.entries(action.outputs).map(([name, { description }]) => [
    name,
    [description],
  ]);
  expect(rows('Outputs')).toEqual(outputs);
});

/** ZIZMOR names a program; else the one on the PATH, else one that pip may install. */
function findZizmor(): string | undefined {
  const named = process.env['ZIZMOR'] ?? 'zizmor';
  if (spawnSync(named, ['--version']).status === 0) return named;
  const folder = 'bench/out/zizmor';
  const program = join(folder, 'bin/zizmor');
  if (existsSync(program)) return program;
  spawnSync('python3', ['-m', 'venv', folder]);
  const pip = join(folder, 'bin/pip');
  spawnSync(pip, ['install', '--quiet', '--disable-pip-version-check', 'zizmor==1.32.0'], {
    timeout: 60_000,
  });
  return existsSync(program) ? program : undefined;
}

it('has nothing that zizmor objects to', (context) => {
  const zizmor = findZizmor();
  if (zizmor === undefined) context.skip('zizmor could not be installed by pip');
  const args = ['--offline', '--no-progress', '--persona', 'pedantic', '--format', 'plain'];
  const ran = spawnSync(zizmor ?? '', [...args, 'action.yml', ...workflows], { encoding: 'utf8' });
  expect(`${ran.stdout}${ran.stderr}`).toContain('No findings to report');
  expect(ran.status).toBe(0);
});
