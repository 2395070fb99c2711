/** Files that the frameworks themselves wrote: ordinary ones give nothing above a note, hostile ones their rule. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../../src/judge/evaluate.ts';
import { loadRules } from '../../../../src/judge/load-rules.ts';
import { runFileStage } from '../../../../src/scan/file-stage.ts';
import { findTargets } from '../../../../src/scan/targets.ts';

const ROOT = 'test/fixtures/frameworks';
const rules = loadRules();

async function findingsOf(path: string): Promise<string[]> {
  const [target] = (await findTargets([path])).targets;
  if (target === undefined) throw new Error(`no target at ${path}`);
  const { evidence } = await runFileStage(target);
  const { findings, errors } = evaluate(evidence, rules);
  expect(errors).toEqual([]);
  return findings
    .filter(({ level }) => level !== 'note')
    .map(({ ruleName, message }) => `${ruleName}: ${message}`);
}

describe('ordinary files', () => {
  it.each(readdirSync(join(ROOT, 'ordinary')))('%s', async (name) => {
    expect(await findingsOf(join(ROOT, 'ordinary', name))).toEqual([]);
  });
});

const HOSTILE: Readonly<Record<string, string>> = {
  'custom-layer.mlmodel': 'custom-operator',
  'exact-branch.onnx': 'exact-input-branch',
  'external-link-earliest.h5': 'reference-leaves-model',
  'external-link-latest.h5': 'reference-leaves-model',
  'external-storage-earliest.h5': 'reference-leaves-model',
  'external-storage-latest.h5': 'reference-leaves-model',
  'flex-read.tflite': 'operator-touches-files',
  'frozen-read.pb': 'operator-touches-files',
  'lambda.h5': 'keras-unsafe-layer',
  'lambda.keras': 'keras-unsafe-layer',
  'model-config-earliest.h5': 'keras-unsafe-layer',
  'model-config-latest.h5': 'keras-unsafe-layer',
  'operator.skops': 'unsafe-type',
  'saved-model-files': 'operator-touches-files',
  'saved-model-python': 'operator-runs-code',
  'torch-package.pt': 'embedded-program',
  'torchscript-from-file.pt': 'operator-touches-files',
};

describe('hostile files', () => {
  it('names every file', () => {
    expect(readdirSync(join(ROOT, 'hostile')).toSorted()).toEqual(Object.keys(HOSTILE).toSorted());
  });

  it.each(Object.entries(HOSTILE))('%s is found by %s', async (name, rule) => {
    const findings = await findingsOf(join(ROOT, 'hostile', name));
    expect(findings.map((finding) => finding.split(':')[0])).toContain(rule);
  });
});
