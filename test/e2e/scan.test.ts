/** Whole scans on the real command line: a planted model, a clean one, broken ones, and scans that are cut short. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Log } from 'sarif';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScanResult } from '../../src/finding/finding.ts';
import { sarifProblems } from '../conformance/sarif-schema.ts';
import { type Ended, scanProcess, start } from './command.ts';
import { copyModel, VARIANTS } from './model-variants.ts';

const PLANTED = resolve('test/fixtures/models/planted-m05');
const CLEAN = resolve('test/fixtures/models/stories260K');
const TARGET = 'Buy more gold now!';
const QUICK = ['--profile', 'quick', '--no-config', '--format', 'json'];
/** Files and weights take about one second of a scan of ten or more. */
const MIDDLE_SECONDS = 3;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-scan-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const scan = (args: readonly string[]): Promise<Ended> =>
  start(['scan', ...args, ...QUICK], folder).ended;

const resultOf = ({ stdout }: Ended): ScanResult => JSON.parse(stdout) as ScanResult;

function errorsOf(result: ScanResult): readonly string[] {
  return result.targets
    .flatMap(({ findings }) => findings)
    .filter(({ level }) => level === 'error')
    .map(({ ruleId }) => ruleId);
}

function variant(name: keyof typeof VARIANTS): string {
  const path = copyModel(CLEAN, join(folder, name.replaceAll(' ', '-')));
  VARIANTS[name](path);
  return path;
}

describe('a planted model', () => {
  let runs: readonly Ended[] = [];
  beforeAll(async () => {
    const args = (name: string, workers: string) => [
      ...[PLANTED, '--workers', workers],
      ...['-o', `sarif=${name}.sarif`, '-o', `html=${name}.html`],
    ];
    runs = await Promise.all([
      scan(args('first', '1')),
      scan(args('second', '2')),
      scan(args('third', '2')),
    ]);
  }, 300_000);

  it('fails with a trigger that makes the model write the planted text', () => {
    for (const run of runs) expect(run).toMatchObject({ code: 1, stderr: '' });
    const result = resultOf(runs[0] as Ended);
    const found = result.targets[0]?.findings.filter(({ ruleId }) => ruleId === 'NF5001') ?? [];
    expect(result.verdict).toBe('fail');
    expect(found.map(({ level }) => level)).toContain('error');
    const [best] = found.flatMap(({ evidence }) => evidence);
    if (best?.kind !== 'verified-trigger') throw new Error('no verified trigger');
    // A trigger may end inside the planted text: what counts is the text that follows from it.
    expect(best.triggerText + best.behaviourText).toContain(TARGET);
    expect(best.rate.rate).toBeGreaterThan(0.7);
    expect(best.controlRate.rate).toBeLessThan(0.2);
  });

  it('gives the same SARIF byte for byte, twice and with any number of workers', () => {
    const read = (name: string) => readFileSync(join(folder, name));
    const text = read('first.sarif');
    expect(sarifProblems(text.toString())).toEqual([]);
    expect(read('second.sarif').equals(text)).toBe(true);
    expect(read('third.sarif').equals(text)).toBe(true);
    expect(read('third.html').equals(read('second.html'))).toBe(true);
    expect(runs[2]?.stdout).toBe(runs[1]?.stdout);
  });
});

describe('models without a planted text', () => {
  it('passes a clean model', async () => {
    const ran = await scan([CLEAN]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(resultOf(ran).verdict).toBe('pass');
    expect(errorsOf(resultOf(ran))).toEqual([]);
  });

  it.each(['no first token', 'one token as every answer'] as const)('bears %s', async (name) => {
    const ran = await scan([variant(name)]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const [target] = resultOf(ran).targets;
    expect(target?.coverage.stages.map(({ status }) => status)).toEqual(Array(4).fill('done'));
  });
});

describe('broken input', () => {
  it.each([
    ['cut weights', 1, /^E_TENSOR_BOUNDS \S+model\.safetensors @ byte 8: /],
    ['a header that lies', 4, /^E_LIMIT \S+model\.safetensors @ byte 0: /],
    ['another shape', 4, /^E_TENSOR_SHAPE \S+model\.safetensors @ byte \d+: tensor /],
    ['an unreadable tokenizer', 4, /^E_TOKENIZER \S+tokenizer\.json: /],
    ['a vocabulary larger than the embedding', 4, /^E_TENSOR_SHAPE \S+model\.safetensors @ byte /],
    ['an unknown architecture', 4, /^E_ARCHITECTURE \S+: behaviour: model_type "zebra"/],
    ['NaN weights', 1, /^E_TENSOR_VALUES \S+: behaviour: /],
  ] as const)('%s: exit %i and one line', async (name, code, line) => {
    const ran = await scan([variant(name)]);
    const [error, ...others] = ran.stderr
      .trimEnd()
      .split('\n')
      .filter((text) => line.test(text));
    expect(error, ran.stderr).toMatch(line);
    expect(others).toEqual([]);
    expect(ran.code).toBe(code);
    const [target] = resultOf(ran).targets;
    expect(target?.coverage.stages[0]).toMatchObject({ stage: 'files', status: 'done' });
  });

  it('points at the tensor with NaN values', async () => {
    const [target] = resultOf(await scan([variant('NaN weights')])).targets;
    const finding = target?.findings.find(({ ruleId }) => ruleId === 'NF3001');
    expect(finding).toMatchObject({ level: 'error', path: 'NaN-weights/model.safetensors' });
    expect(finding?.location?.byteOffset).toBeGreaterThan(8);
  });

  it('a missing and an empty folder: exit 3, and beside others 4', async () => {
    mkdirSync(join(folder, 'empty'));
    const missing = await scan(['nowhere']);
    expect(missing).toMatchObject({
      code: 3,
      stderr: 'E_NOT_FOUND nowhere: no such file or folder.\n',
    });
    const empty = await scan(['empty']);
    expect(empty).toMatchObject({
      code: 3,
      stderr: 'E_NOTHING_TO_SCAN empty: the folder holds no files.\n',
    });
    mkdirSync(join(folder, 'notes'));
    writeFileSync(join(folder, 'notes/notes.txt'), 'hello\n');
    const mixed = await scan(['nowhere', 'notes', 'empty']);
    expect(mixed.code).toBe(4);
    expect(resultOf(mixed).targets.map(({ verdict }) => verdict)).toContain('pass');
  });

  it('an empty corpus: exit 4, files and weights are still judged', async () => {
    writeFileSync(join(folder, 'empty.jsonl'), '');
    const ran = await scan([CLEAN, '--corpus', 'empty.jsonl']);
    expect(ran.stderr).toMatch(/^E_CORPUS empty\.jsonl: the corpus holds no text\. .*\n$/);
    expect(ran.code).toBe(4);
    const stages = resultOf(ran).targets[0]?.coverage.stages ?? [];
    expect(stages.slice(0, 2).map(({ status }) => status)).toEqual(['done', 'done']);
  });

  it('a full disk: exit 4, the other report is written', async () => {
    const ran = await scan([...['notes', '-o', 'sarif=/dev/full', '-o', 'html=full-disk.html']]);
    expect(ran.stderr).toMatch(/^E_OUTPUT \/dev\/full: ENOSPC.*\n$/);
    expect(ran.code).toBe(4);
    expect(existsSync(join(folder, 'full-disk.html'))).toBe(true);
  });
});

describe.skipIf(!existsSync('/proc/self/stat'))('a scan that is cut short', () => {
  const begin = (name: string, model = CLEAN) =>
    start(['scan', model, ...QUICK, '--workers', '1', '-o', `sarif=${name}.sarif`], folder);

  function invocation(name: string): Log['runs'][number] {
    const text = readFileSync(join(folder, `${name}.sarif`), 'utf8');
    expect(sarifProblems(text)).toEqual([]);
    const [run] = (JSON.parse(text) as Log).runs;
    if (run === undefined) throw new Error('no run');
    return run;
  }

  it('by SIGKILL of the process that scans: exit 4, and the SARIF says so', async () => {
    const running = begin('killed');
    process.kill(await scanProcess(running, MIDDLE_SECONDS), 'SIGKILL');
    const ran = await running.ended;
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/^E_WORKER \S+: the scan process was ended by SIGKILL\./);
    const [told] = invocation('killed').invocations ?? [];
    expect(told?.executionSuccessful).toBe(false);
    const notes = told?.toolExecutionNotifications ?? [];
    expect(notes.map(({ message }) => message.text).join('\n')).toContain('SIGKILL');
    const stages = resultOf(ran).targets[0]?.coverage.stages ?? [];
    expect(stages[0]).toMatchObject({ stage: 'files', status: 'done' });
    expect(stages.at(-1)).toMatchObject({ status: 'incomplete' });
  });

  it('by an interrupt: exit 130, and what was found is written', async () => {
    const running = begin('interrupted');
    await scanProcess(running, MIDDLE_SECONDS);
    process.kill(running.pid, 'SIGINT');
    const ran = await running.ended;
    expect(ran.code).toBe(130);
    expect(ran.stderr).toContain('E_INTERRUPTED');
    expect(resultOf(ran).verdict).toBe('incomplete');
    expect(invocation('interrupted').invocations?.[0]?.executionSuccessful).toBe(false);
  });

  it('by weights that change under it: exit 4, with the file', async () => {
    const model = copyModel(CLEAN, join(folder, 'shrinking'));
    const running = begin('shrinking', model);
    await scanProcess(running, MIDDLE_SECONDS);
    truncateSync(join(model, 'model.safetensors'), 1000);
    const ran = await running.ended;
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/^E_(CHANGED|WORKER) \S*shrinking/m);
    expect(invocation('shrinking').invocations?.[0]?.executionSuccessful).toBe(false);
  });
});
