/** Stages in order on a whole model: broken weights stop what would run them, and cancelling is no crash. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runStages, type StageOptions } from '../../../src/scan/run-stages.ts';
import type { CancelSignal, StageName, StageOutcome } from '../../../src/scan/stage.ts';
import { supervise } from '../../../src/scan/supervise.ts';
import { targetOf } from '../../../src/scan/targets.ts';

const ORIGINAL = 'test/fixtures/models/stories260K';
const QUICK: StageOptions = { profile: 'quick', seed: 0, device: 'cpu', workers: 1 };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-stages-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function outcomes(
  path: string,
  options: StageOptions,
  cancel: CancelSignal = { cancelled: false },
): Promise<Map<StageName, StageOutcome>> {
  const received = new Map<StageName, StageOutcome>();
  await runStages(targetOf(path), options, {
    cancel,
    onProgress: () => undefined,
    receive: (stage, outcome) => received.set(stage, outcome),
  });
  return received;
}

describe('runStages', () => {
  it('runs nothing on weights that hold NaN, and says so', async () => {
    const path = join(folder, 'nan');
    cpSync(ORIGINAL, path, { recursive: true });
    const file = join(path, 'model.safetensors');
    const bytes = readFileSync(file);
    bytes.writeFloatLE(Number.NaN, bytes.length - 4);
    writeFileSync(file, bytes);
    const received = await outcomes(path, QUICK);
    expect([...received.keys()]).toEqual(['files', 'weights', 'verify']);
    const kinds = received.get('weights')?.evidence.map(({ kind }) => kind);
    expect(kinds).toContain('non-finite-tensor');
    const verify = received.get('verify');
    expect(verify?.evidence).toEqual([]);
    expect(verify?.notCovered[0]?.why).toContain('E_TENSOR_VALUES');
  });

  it('stops after the files under that profile', async () => {
    const received = await outcomes(ORIGINAL, { ...QUICK, profile: 'files' });
    expect([...received.keys()]).toEqual(['files']);
  });

  it('says of a cancelled scan that behaviour was not covered', async () => {
    const received = await outcomes(ORIGINAL, QUICK, { cancelled: true });
    const verify = received.get('verify');
    expect(verify?.errors).toEqual([]);
    expect(verify?.notCovered[0]?.why).toContain('E_INTERRUPTED');
  });

  it('refuses to generate in less memory than the model needs, and says how much that is', async () => {
    const received = await outcomes(ORIGINAL, { ...QUICK, memoryBytes: 100e6 });
    const verify = received.get('verify');
    expect(verify?.errors).toEqual([]);
    expect(verify?.notCovered[0]?.why).toMatch(
      /^E_LIMIT: generation needs \d+ MB .*cannot run in groups of layers\. Give --memory \d+MB or more\.$/,
    );
    expect(received.get('weights')?.errors).toEqual([]);
  });

  it('tells a corpus that is not there apart from a broken model', async () => {
    const received = await outcomes(ORIGINAL, { ...QUICK, corpus: join(folder, 'absent.txt') });
    expect(received.get('verify')?.errors[0]?.code).toBe('E_NOT_FOUND');
  });
});

describe('supervise', () => {
  it('brings the outcomes of the child over', async () => {
    const options = { ...QUICK, profile: 'files' as const, cancel: { cancelled: false } };
    const { outcomes: received, error } = await supervise(targetOf(ORIGINAL), options);
    expect(error).toBeUndefined();
    expect(received.map(([stage]) => stage)).toEqual(['files']);
  });

  it('ends a scan that is out of time, keeps what it had, and says why', async () => {
    const options = { ...QUICK, cancel: { cancelled: false }, budgetSeconds: 0.2 };
    const { outcomes: received, error } = await supervise(targetOf(ORIGINAL), options);
    expect(error?.code).toBe('E_TIMEOUT');
    expect(received.flatMap(([, { errors }]) => errors)).toEqual([]);
  });

  it('ends a scan that the user interrupts', async () => {
    const options = { ...QUICK, cancel: { cancelled: true } };
    const { error } = await supervise(targetOf(ORIGINAL), options);
    expect(error?.code).toBe('E_INTERRUPTED');
  });
});
