/** The stage over real graphs: tiny random models, every outcome handed over, nothing thrown for bad input. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { evaluate } from '../../../src/judge/evaluate.ts';
import { loadRules } from '../../../src/judge/load-rules.ts';
import { runBehaviourStages } from '../../../src/scan/behaviour-stage.ts';
import type { StageOutcome } from '../../../src/scan/stage.ts';

const root = mkdtempSync(join(tmpdir(), 'encoder-stage-'));
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A fixture with a tokenizer of letters: its 67 rows are 26 that begin a word, 26 that go on, and specials. */
function folderOf(name: string): string {
  const folder = join(root, name);
  cpSync(join('test/fixtures/models', name), folder, { recursive: true });
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];
  const words = [...specials, ...letters, ...letters.map((letter) => `##${letter}`)];
  const special_tokens = Object.fromEntries(
    ['[CLS]', '[SEP]'].map((id) => [id, { id, ids: [words.indexOf(id)], tokens: [id] }]),
  );
  const single = [
    { SpecialToken: { id: '[CLS]', type_id: 0 } },
    { Sequence: { id: 'A', type_id: 0 } },
    { SpecialToken: { id: '[SEP]', type_id: 0 } },
  ];
  const tokenizer = {
    version: '1.0',
    added_tokens: specials.map((content, id) => ({ id, content, special: true })),
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'TemplateProcessing', single, pair: single, special_tokens },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
    },
  };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  return folder;
}

async function stagesOf(folder: string, cancelled = false): Promise<Map<string, StageOutcome>> {
  const target = { given: folder, root: folder, name: 'm', kind: 'model-folder' } as const;
  const outcomes = new Map<string, StageOutcome>();
  const cancel = { cancelled };
  const options = { profile: 'quick', seed: 0, device: 'cpu', workers: 1, cancel } as const;
  await runBehaviourStages(target, options, (stage, outcome) => outcomes.set(stage, outcome));
  return outcomes;
}

test.each([
  ['bert-masked', 'embedding-collapse'],
  ['bert-classifier', 'class-flip'],
])('%s is searched to the end and raises no alarm', async (name, kind) => {
  const outcomes = await stagesOf(folderOf(name));
  expect([...outcomes.keys()]).toEqual(['verify', 'features']);
  const all = [...outcomes.values()];
  expect(all.flatMap(({ errors }) => errors)).toEqual([]);
  const evidence = all.flatMap((outcome) => outcome.evidence);
  expect(new Set(evidence.map((fact) => fact.kind)).has(kind as 'class-flip')).toBe(true);
  expect(outcomes.get('verify')?.tokens).toBeGreaterThan(1000);
  expect(outcomes.get('verify')?.notCovered.map(({ what }) => what)).toContain(
    'triggers of meaning or style',
  );
  const { findings } = evaluate(evidence, loadRules());
  expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
});

test('a cancelled scan says what was not covered', async () => {
  const outcomes = await stagesOf(folderOf('bert-masked'), true);
  expect(outcomes.get('verify')?.notCovered[0]?.why).toMatch(/^E_INTERRUPTED/);
  expect(outcomes.get('verify')?.errors).toEqual([]);
});
