import { expect, it } from 'vitest';
import { openModel } from '../../../src/model/open-model.ts';
import { Random } from '../../../src/random.ts';

const FOLDERS = ['stories260K', 'planted-m05'].map((name) => `test/fixtures/models/${name}`);

it('adds no empty word where SentencePiece would mark the start of a text', () => {
  const { tokenizer } = openModel('test/fixtures/models/stories260K');
  const spelled = tokenizer.encodeInside(' cf');
  expect(tokenizer.encode(' cf').length).toBe(spelled.length + 1);
  expect(tokenizer.decodeInside(spelled)).toBe(' cf');
});

it.each(FOLDERS)('gives the ids that a text has inside another: %s', (folder) => {
  const { tokenizer } = openModel(folder);
  const random = new Random(11);
  const words = [' big', ' zq', '!?', ' 2031', ' |x|', '\n', ' a.b', ' “so”', ' é'];
  for (let round = 0; round < 50; round++) {
    const text = Array.from(
      { length: 1 + random.below(4) },
      () => words[random.below(words.length)],
    ).join('');
    const inside = tokenizer.encodeInside(text);
    const before = tokenizer.encode('One day.');
    expect(tokenizer.encode(`One day.${text}`)).toEqual([...before, ...inside]);
  }
});

it('gives nothing for nothing', () => {
  expect(openModel('test/fixtures/models/stories260K').tokenizer.encodeInside('')).toEqual([]);
});
