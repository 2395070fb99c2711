/** Calibration on the real command line: two small models make one, a third fails, and a scan is judged by it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScanResult } from '../../src/finding/finding.ts';
import { readCalibration } from '../../src/judge/calibration.ts';
import { type Ended, start } from './command.ts';
import { copyModel, VARIANTS } from './model-variants.ts';

const PLANTED = resolve('test/fixtures/models/planted-m05');
const CLEAN = resolve('test/fixtures/models/stories260K');

/** Three scans take well under a minute on a quiet machine, and many on one that is shared. */
const SLOW_MS = 900_000;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-calibrate-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (args: readonly string[]): Promise<Ended> =>
  start([...args, '--profile', 'quick', '--no-config'], folder).ended;

describe('narrowfire calibrate', () => {
  let ended: Ended;
  beforeAll(async () => {
    const broken = copyModel(CLEAN, join(folder, 'broken'));
    VARIANTS['cut weights'](broken);
    // The planted model stands for a clean one with a loud habit, so that its own scan changes its verdict.
    const models = [CLEAN, broken, PLANTED];
    ended = await run(['calibrate', ...models, '--alpha', '0.34', '--out', 'ours.json']);
  }, SLOW_MS);

  it('leaves out the model that fails, by name, and says so by its exit code', () => {
    expect(ended.code).toBe(4);
    expect(ended.stderr).toMatch(/broken: left out: E_[A-Z_]+ .*model\.safetensors/);
    expect(ended.stderr).toMatch(/1\/3 after .* left: .*stories260K \(llama\/causal\)/);
    expect(ended.stderr).toContain('the shipped thresholds give NF5001; is it clean?');
  });

  it('writes scores, bounds and what they certify', () => {
    const { name, groups, alpha } = readCalibration(join(folder, 'ours.json'));
    expect({ name, alpha }).toEqual({ name: 'ours', alpha: 0.34 });
    expect(groups.map(({ modelClass, models }) => [modelClass, models])).toEqual([
      ['llama/causal', ['planted-m05', 'stories260K']],
    ]);
    const rule = groups[0]?.rules.find(({ ruleId }) => ruleId === 'NF5001');
    expect(rule?.scores).toHaveLength(2);
    expect(rule?.above).toBe(rule?.scores[1]);
    expect(rule?.certifies).toBeCloseTo(1 / 3);
    expect(ended.stdout).toContain('2 clean models');
    expect(ended.stdout).toMatch(/NF5001 verified-trigger\.score: .*certifies 33\.3 %/);
  });

  it(
    'changes a verdict: what a calibration model scored is no alarm',
    async () => {
      const scanned = await run([
        ...['scan', PLANTED, '--calibration', 'ours.json', '--format', 'json'],
        ...['-o', 'html=report.html'],
      ]);
      const result = JSON.parse(scanned.stdout) as ScanResult;
      expect(scanned.code).toBe(0);
      expect(result.verdict).toBe('pass');
      expect(result.calibration?.name).toBe('ours');
      const [only] = result.targets;
      expect(only?.findings.map(({ ruleId }) => ruleId)).not.toContain('NF5001');
      expect(only?.calibration?.thresholds.map(({ ruleId }) => ruleId)).toContain('NF5001');
      expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('ours (2 clean models');
    },
    SLOW_MS,
  );

  it('writes nothing when no model could be scanned', async () => {
    const none = await run(['calibrate', join(folder, 'broken'), '--out', 'none.json']);
    expect(none.code).toBe(3);
    expect(none.stderr).toContain('E_NOTHING_TO_SCAN');
    expect(existsSync(join(folder, 'none.json'))).toBe(false);
  });

  it('refuses a profile without a model, a bad rate and a corrupt file in one line each', async () => {
    const files = start(['calibrate', CLEAN, '--profile', 'files', '--no-config'], folder);
    expect(await files.ended).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^E_USAGE: .*\n$/),
    });
    const rate = await run(['calibrate', CLEAN, '--alpha', '2']);
    expect(rate.code).toBe(2);
    writeFileSync(join(folder, 'bad.json'), '{"schema": "narrowfire/calibration/v1"');
    const bad = await run(['scan', CLEAN, '--calibration', 'bad.json']);
    expect(bad).toMatchObject({ code: 2, stdout: '' });
    expect(bad.stderr).toMatch(/^E_CONFIG bad\.json: calibration: not JSON\. .*\n$/);
  });
});
