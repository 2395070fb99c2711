/** Ignores, baselines and merging: what is accepted, known, or joined. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sha256 } from '../../../src/finding/finding.ts';
import { formatBaseline, readBaseline } from '../../../src/judge/baseline.ts';
import { globToRegExp } from '../../../src/judge/ignore.ts';
import { mergeResults } from '../../../src/judge/merge.ts';
import { renderJson } from '../../../src/report/json.ts';
import { renderSarif } from '../../../src/report/sarif/sarif.ts';
import {
  backdoored,
  clean,
  context,
  incomplete,
  many,
  render,
  resultOf,
  target,
  trigger,
} from '../report/samples.ts';

const evidence = [trigger()];
const digest = 'b'.repeat(64);
const onFile = [
  {
    kind: 'non-finite-tensor',
    path: 'story-teller/model.safetensors',
    tensor: 'mask',
    nanCount: 1,
    infiniteCount: 0,
    elementCount: 2,
  } as const,
];

describe('ignore', () => {
  const suppressed = (
    facts: Parameters<typeof target>[0],
    ignore: object,
    today = '2026-11-21',
  ) => {
    const ignores = [{ reason: 'known', source: 'narrowfire.yaml:3', ...ignore }];
    return resultOf([target(facts)], { ignores, today });
  };

  it.each([
    [{ rule: 'NF5001' }, 'pass'],
    [{ rule: 'trigger-controls-output' }, 'pass'],
    [{ rule: 'NF5001', path: 'story-*' }, 'pass'],
    [{ rule: 'NF5001', path: 'other' }, 'fail'],
    [{ rule: 'NF5002' }, 'fail'],
    [{ rule: 'NF5001', until: '2026-11-21' }, 'pass'],
    [{ rule: 'NF5001', until: '2026-11-20' }, 'fail'],
    [{}, 'fail'],
  ] as const)('%j gives %s', (ignore, verdict) => {
    const result = suppressed({ evidence }, ignore);
    expect(result.verdict).toBe(verdict);
    expect(result.exitCode).toBe(verdict === 'pass' ? 0 : 1);
  });

  it.each([
    [{ tensor: 'mask' }, 'pass'],
    [{ tensor: 'lm_head' }, 'fail'],
    [{ digest }, 'pass'],
    [{ digest: 'c'.repeat(64) }, 'fail'],
    [{ digest, tensor: 'lm_head' }, 'fail'],
    [{ path: '**/*.safetensors' }, 'pass'],
  ] as const)('%j gives %s for a finding on a file', (ignore, verdict) => {
    expect(suppressed({ evidence: onFile }, ignore).verdict).toBe(verdict);
  });

  it('keeps the finding, with the reason', () => {
    const [finding] =
      suppressed({ evidence }, { rule: 'NF5001', until: '2027-01-01' }).targets[0]?.findings ?? [];
    expect(finding?.suppression).toEqual({
      reason: 'known',
      expires: '2027-01-01',
      source: 'narrowfire.yaml:3',
    });
  });

  it('reads globs by segment', () => {
    expect(globToRegExp('a/*.bin').test('a/b/c.bin')).toBe(false);
    expect(globToRegExp('a/**/c.bin').test('a/c.bin')).toBe(true);
    expect(globToRegExp('a/**').test('a/b/c.bin')).toBe(true);
    expect(globToRegExp('a.(b)+').test('a.(b)+')).toBe(true);
    expect(globToRegExp('a.b').test('axb')).toBe(false);
  });
});

describe('baseline', () => {
  let folder = '';
  const put = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return readBaseline(file);
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'narrowfire-baseline-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('reads the same from a baseline file, a result and SARIF', () => {
    const result = backdoored();
    const own = put('own.json', formatBaseline(result));
    expect([...own.keys()].length).toBe(result.targets[0]?.findings.length);
    for (const other of [
      put('result.json', render(renderJson(result))),
      put('result.sarif', render(renderSarif(result, context()))),
    ]) {
      expect([...other.keys()].toSorted()).toEqual([...own.keys()].toSorted());
      expect([...other.values()].map(({ path }) => path).toSorted()).toEqual(
        [...own.values()].map(({ path }) => path).toSorted(),
      );
    }
  });

  it('lets what is known pass and fails on what is new', () => {
    const baseline = put('a.json', formatBaseline(resultOf([target({ evidence })])));
    expect(resultOf([target({ evidence })], { baseline })).toMatchObject({
      verdict: 'pass',
      exitCode: 0,
    });
    const more = resultOf([target({ evidence: [...evidence, ...onFile] })], { baseline });
    expect(more.verdict).toBe('fail');
    expect(more.targets[0]?.findings.map(({ baselineState }) => baselineState)).toEqual([
      'new',
      'unchanged',
    ]);
  });

  it('marks what is gone, and a level that rose counts again', () => {
    const result = resultOf([target({ evidence })]);
    const gone = resultOf([target()], { baseline: put('b.json', formatBaseline(result)) });
    expect(gone.targets[0]?.findings.map(({ baselineState }) => baselineState)).toEqual(['absent']);
    expect(gone.verdict).toBe('pass');
    const lower = formatBaseline(result).replace('"level": "error"', '"level": "note"');
    const risen = resultOf([target({ evidence })], { baseline: put('c.json', lower) });
    expect(risen.targets[0]?.findings[0]?.baselineState).toBe('updated');
    expect(risen.verdict).toBe('fail');
  });

  it.each(['', '{}', '[]', '{"schema":"narrowfire/baseline/v1"}'])('refuses %j', (text) => {
    expect(() => put('bad.json', text)).toThrow(/E_CONFIG|not JSON|neither/);
  });
});

describe('merge', () => {
  it('keeps targets apart and takes the worst verdict', () => {
    const merged = mergeResults([backdoored(), clean()]);
    expect(merged.targets).toHaveLength(2);
    expect(merged).toMatchObject({ verdict: 'fail', exitCode: 1 });
  });

  it('joins shards of one target: findings once, a stage done only if done in all', () => {
    const merged = mergeResults([backdoored(), backdoored(), incomplete()]);
    expect(merged.targets).toHaveLength(1);
    const [joined] = merged.targets;
    expect(joined?.findings.filter(({ ruleId }) => ruleId === 'NF5001')).toHaveLength(1);
    expect(joined?.coverage.stages.find(({ stage }) => stage === 'weights')?.status).toBe(
      'incomplete',
    );
    expect(joined?.cost.tokens).toBe(3 * 1_203_456);
  });

  it('does not join models of one path with other bytes', () => {
    const of = (sha256: string) => resultOf([target({ sha256: sha256.repeat(64) as Sha256 })]);
    expect(mergeResults([of('1'), of('2')]).targets).toHaveLength(2);
  });

  it('gives the same for one result', () => {
    const { commandLine: _line, ...rest } = many(50);
    expect(mergeResults([many(50)])).toEqual(rest);
  });
});
