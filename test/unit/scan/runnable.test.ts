import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { stagesFor } from '../../../src/scan/run-stages.ts';
import { targetOf } from '../../../src/scan/targets.ts';

const folder = mkdtempSync(join(tmpdir(), 'narrowfire-runnable-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const stages = (path: string, base?: string) => stagesFor(targetOf(path), 'standard', base).length;

it('owes the stages that run a model to folders, GGUF files and adapters with a base', () => {
  expect(stages('test/fixtures/models/llama')).toBe(4);
  expect(stages('test/fixtures/gguf/llama.gguf')).toBe(4);
  const adapter = join(folder, 'adapter');
  mkdirSync(adapter);
  writeFileSync(join(adapter, 'adapter_config.json'), '{}');
  expect(stages(adapter)).toBe(2);
  expect(stages(adapter, 'test/fixtures/models/llama')).toBe(4);
});

it('owes them to no other file', () => {
  expect(stages('test/fixtures/models/llama/model.safetensors')).toBe(2);
  const text = join(folder, 'notes.txt');
  writeFileSync(text, 'GG');
  expect(stages(text)).toBe(2);
});
