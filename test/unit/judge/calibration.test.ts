/** Calibrations made, read from hostile files, and applied to targets that do or do not fit. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ScanError } from '../../../src/errors.ts';
import { applyCalibration } from '../../../src/judge/apply-calibration.ts';
import { type CleanModel, calibrate, scoreOf } from '../../../src/judge/calibrate.ts';
import {
  type Calibration,
  type CalibrationSettings,
  formatCalibration,
  parseCalibration,
  readCalibration,
} from '../../../src/judge/calibration.ts';
import { judge } from '../../../src/judge/judge.ts';
import { loadRules } from '../../../src/judge/load-rules.ts';
import { renderPretty } from '../../../src/report/pretty.ts';
import { redact } from '../../../src/report/redact.ts';
import { renderSarif } from '../../../src/report/sarif/sarif.ts';
import { lintSarif } from '../../conformance/sarif-lint.ts';
import { context, policy, render, resultOf, rules, target, trigger } from '../report/samples.ts';

const folder = mkdtempSync(join(tmpdir(), 'narrowfire-calibration-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SETTINGS: CalibrationSettings = {
  profile: 'quick',
  seed: 0,
  base: false,
  corpora: [{ name: 'a.jsonl', sha256: '0'.repeat(64) }],
};

const model = (name: string, score: number, modelClass = 'llama/causal'): CleanModel => ({
  name,
  modelClass,
  stages: ['files', 'weights', 'verify', 'features'],
  evidence: [],
  best: { 'verified-trigger.score': score },
});

const models = (scores: readonly number[]) => scores.map((score, i) => model(`c${i}`, score));

function made(scores: readonly number[], alpha: number): Calibration {
  const file = calibrate({
    name: 'ours',
    alpha,
    settings: SETTINGS,
    rules,
    models: models(scores),
  });
  return parseCalibration(formatCalibration(file), 'calibration.json');
}

const fitting = { modelClass: 'llama/causal', settings: SETTINGS };
const scan = (score: number, calibration: Calibration, given = fitting, used = rules) =>
  judge(
    target({ evidence: [trigger({ score })] }),
    used,
    policy,
    applyCalibration(used, calibration, given),
  );
const NINETEEN = Array.from({ length: 19 }, (_, i) => 5 + i);

describe('a model’s score', () => {
  const rule = (id: string) => {
    const found = rules.find((one) => one.id === id);
    if (found === undefined) throw new Error(id);
    return found;
  };

  it('is the highest of its evidence whatever the outcome, or what the stage kept to itself', () => {
    const weak = trigger({ score: 30, outcome: 'habit' });
    expect(scoreOf(rule('NF5001'), [weak, trigger({ score: 25 })])).toBe(30);
    expect(scoreOf(rule('NF5001'), [weak], { 'verified-trigger.score': 31 })).toBe(31);
    expect(scoreOf(rule('NF5001'), [], { 'verified-trigger.score': 12 })).toBe(12);
    expect(scoreOf(rule('NF3002'), [weak])).toBeUndefined();
    expect(scoreOf(rule('NF5001'), [trigger({ score: Number.NaN })])).toBeUndefined();
  });

  it('counts only evidence that the rule asks for', () => {
    const effect = { mean: 0.5, low: 0.4, high: 0.6, contexts: 8 };
    const set = {
      kind: 'causal-feature-set' as const,
      ...{ path: 'm', site: 's', triggerText: 'x', features: [], firingPatterns: [] },
      ...{ precision: 1, recall: 1, corpusTokens: 1, necessity: effect, necessityRandom: effect },
      ...{ controlRecall: 1, errorShare: 0, errorShareControl: 0 },
      ...{ strongestFeature: 's/1', strongestNecessity: 0.5 },
    };
    const facts = [{ ...set, scope: 'carriers' as const }];
    expect(scoreOf(rule('NF4002'), facts)).toBe(0.5);
    expect(scoreOf(rule('NF4001'), facts)).toBeUndefined();
  });
});

describe('a calibration', () => {
  it('lowers a threshold, and the finding says its p-value and where from', () => {
    const calibrated = scan(24.5, made(NINETEEN, 0.05));
    expect(calibrated.verdict).toBe('fail');
    expect(calibrated.findings[0]).toMatchObject({
      ruleId: 'NF5001',
      calibrated: { name: 'ours', value: 24.5, pValue: 0.05, models: 19 },
    });
    expect(calibrated.findings[0]?.message).toContain(
      'Conformal p-value 0.05 among 19 clean models (calibration "ours").',
    );
    expect(calibrated.calibration?.thresholds).toContainEqual({
      ...{ ruleId: 'NF5001', threshold: 'minScore', shipped: 31, above: 23, certifies: 0.05 },
    });
    expect(judge(target({ evidence: [trigger({ score: 24.5 })] }), rules, policy).verdict).toBe(
      'pass',
    );
  });

  it('raises a threshold: the highest clean score itself is no finding', () => {
    const high = made([...NINETEEN.slice(1), 60], 0.05);
    const quiet = scan(60, high);
    expect(quiet.verdict).toBe('pass');
    expect(quiet.calibration?.withheld).toEqual([
      { ruleId: 'NF5001', level: 'error', value: 60, pValue: 0.1 },
    ]);
    const shown = render(renderPretty({ ...resultOf([]), targets: [quiet] }, context()));
    expect(shown).toContain('a person must look at what the calibration withheld');
    expect(shown).toContain('Withheld: NF5001 (error as shipped) at 60, conformal p-value 0.1');
    const sarif = render(renderSarif({ ...resultOf([]), targets: [quiet] }, context()));
    expect(lintSarif(sarif)).toEqual([]);
    expect(sarif).toContain(
      'Withheld by calibration ours: models/story-teller: NF5001 (error as shipped) at 60, conformal p-value 0.1',
    );
    expect(scan(60.001, high).verdict).toBe('fail');
  });

  it('of too few models leaves thresholds, says what it could certify, and still gives p-values', () => {
    const few = made([20, 21, 22], 0.05);
    expect(scan(28, few).verdict).toBe('pass');
    const found = scan(40, few);
    expect(found.findings[0]?.calibrated?.pValue).toBe(0.25);
    expect(found.calibration?.thresholds).toEqual([]);
    expect(found.calibration?.notApplied.join(' ')).toContain(
      'NF5001 keeps minScore 31: 3 models certify 25 % at best, 5 % needs 19.',
    );
  });

  it.each([
    ['another family', { modelClass: 'gpt2/causal', settings: SETTINGS }, 'no model of class gpt2'],
    [
      'another profile',
      { ...fitting, settings: { ...SETTINGS, profile: 'deep' } },
      'profile quick',
    ],
    ['another seed', { ...fitting, settings: { ...SETTINGS, seed: 7 } }, 'seed 0'],
    ['a base', { ...fitting, settings: { ...SETTINGS, base: true } }, 'without --base'],
    ['other text', { ...fitting, settings: { ...SETTINGS, corpora: [] } }, 'other corpora'],
    ['a model that was not run', { ...fitting, modelClass: undefined }, 'was not run'],
    ['a scan of files', { ...fitting, settings: undefined }, 'only scans that run the model'],
  ] as const)('is not applied to %s, and the result says so', (_what, given, reason) => {
    const found = scan(24.5, made(NINETEEN, 0.05), given as typeof fitting);
    expect(found.findings.filter(({ level }) => level === 'error')).toEqual([]);
    expect(found.verdict).toBe('pass');
    expect(found.calibration).toMatchObject({ models: 0, thresholds: [] });
    const said = found.coverage.notCovered.find(({ what }) => what === 'calibration "ours"');
    expect(said?.why).toContain(reason);
    expect(scan(40, made(NINETEEN, 0.05), given as typeof fitting).findings[0]?.calibrated).toBe(
      undefined,
    );
  });

  it('of another version is not applied', () => {
    const old = {
      ...made(NINETEEN, 0.05),
      tool: { name: 'narrowfire' as const, version: '9.9.0' },
    };
    expect(scan(24.5, old).coverage.notCovered[0]?.why).toContain('calibrate again');
  });

  it('leaves a threshold that the configuration sets', () => {
    const own = loadRules({ overrides: { NF5001: { thresholds: { minScore: 50 } } } });
    const found = scan(40, made(NINETEEN, 0.05), fitting, own);
    expect(found.findings.some(({ ruleId }) => ruleId === 'NF5001')).toBe(false);
    expect(found.calibration?.notApplied.join(' ')).toContain('the configuration sets it');
  });

  it('keeps its sentence in a redacted message', () => {
    const result = { ...resultOf([]), targets: [scan(40, made(NINETEEN, 0.05))] };
    const [finding] = redact(result, 'all', 'salt', rules).targets[0]?.findings ?? [];
    expect(finding?.message).toContain('Conformal p-value 0.05 among 19 clean models');
  });

  it('keeps classes apart', () => {
    const all = [...models([1, 2]), model('b', 50, 'gpt2/causal')];
    const { groups } = calibrate({ name: 'x', alpha: 0.4, settings: SETTINGS, rules, models: all });
    expect(groups.map(({ modelClass, models: names }) => [modelClass, names])).toEqual([
      ['gpt2/causal', ['b']],
      ['llama/causal', ['c0', 'c1']],
    ]);
    expect(groups[0]?.rules.find(({ ruleId }) => ruleId === 'NF5001')).toMatchObject({
      ...{ above: null, certifies: null },
    });
  });
});

describe('a calibration file', () => {
  const good = formatCalibration(
    calibrate({ name: 'ours', alpha: 0.05, settings: SETTINGS, rules, models: models(NINETEEN) }),
  );
  type Json = Record<string, unknown>;
  const entry = (value: Json): Json => {
    const [group] = value['groups'] as { readonly rules: readonly Json[] }[];
    return group?.rules.find(({ ruleId }) => ruleId === 'NF5001') ?? {};
  };
  const changed = (change: (value: Json) => unknown): string => {
    const value = JSON.parse(good) as Json;
    change(value);
    return JSON.stringify(value);
  };
  const problem = (text: string): ScanError => {
    try {
      parseCalibration(text, 'c.json');
    } catch (error) {
      if (error instanceof ScanError) return error;
    }
    throw new Error('no ScanError');
  };

  it.each([
    ['cut short', good.slice(0, 200), 'not JSON'],
    ['empty', '', 'not JSON'],
    ['another schema', changed((v) => Object.assign(v, { schema: 'x' })), 'schema'],
    ['an unknown field', changed((v) => Object.assign(v, { extra: 1 })), 'extra'],
    [
      'a name with control characters',
      changed((v) => Object.assign(v, { name: 'a\u001b[2Jb\n' })),
      'name',
    ],
    ['an alpha of 0', changed((v) => Object.assign(v, { alpha: 0 })), 'alpha'],
    ['a null', 'null', 'expected object'],
    ['an infinite score', good.replace(/\b23\b/, '1e999'), 'scores'],
    ['scores out of order', changed((v) => (entry(v)['scores'] as number[]).reverse()), 'ascend'],
    [
      'a bound of its own',
      changed((v) => Object.assign(entry(v), { above: 1e9 })),
      'does not follow',
    ],
    [
      'a rate of its own',
      changed((v) => Object.assign(entry(v), { certifies: 0.001 })),
      'does not follow',
    ],
    [
      'more scores than models',
      changed((v) => (entry(v)['scores'] as number[]).push(24, 25)),
      'more scores',
    ],
    [
      'a class twice',
      changed((v) => (v['groups'] as Json[]).push((v['groups'] as Json[])[0] as Json)),
      'twice',
    ],
    ['a prototype', good.replace('"alpha"', '"__proto__": {"alpha": 0.5}, "alpha"'), '__proto__'],
  ])('that is %s is refused in one line', (_what, text, words) => {
    const error = problem(text);
    expect(error.code).toBe('E_CONFIG');
    expect(error.message).toContain(words);
    expect(error.message).not.toMatch(/[\n\u001b]/);
  });

  it('is refused unread when it is huge, and named when it is missing', () => {
    const huge = join(folder, 'huge.json');
    writeFileSync(huge, '');
    truncateSync(huge, 1e9);
    expect(() => readCalibration(huge)).toThrow('larger than');
    expect(() => readCalibration(join(folder, 'none.json'))).toThrow('no such file');
  });
});

describe('rules that can be calibrated', () => {
  it('name a numeric threshold and say what the shipped value rests on', () => {
    const calibrated = rules.filter(({ calibration }) => calibration !== undefined);
    expect(calibrated.length).toBeGreaterThan(8);
    for (const { id, calibration, thresholds, when } of calibrated) {
      const name = calibration?.threshold ?? '';
      expect(typeof thresholds[name], id).toBe('number');
      expect(when, id).toContain(`e.${calibration?.statistic} >= t.${name}`);
    }
  });
});
