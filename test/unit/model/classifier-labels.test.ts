import { expect, test } from 'vitest';
import { ModelConfig } from '../../../src/model/config.ts';
import { openGolden } from '../../golden/golden-case.ts';

const labelsOf = (values: Record<string, unknown>) => new ModelConfig(values, 'config.json').labels;

test('classes are named by id2label, or by their number', () => {
  expect(labelsOf({ id2label: { 0: 'benign', 1: 'spam', 2: 'ham' } })).toEqual([
    'benign',
    'spam',
    'ham',
  ]);
  expect(labelsOf({ id2label: { 0: 'benign', 1: 7 } })).toEqual(['benign', '1']);
  expect(labelsOf({ num_labels: 3 })).toEqual(['0', '1', '2']);
  expect(labelsOf({})).toEqual(['0', '1']);
  expect(() => labelsOf({ num_labels: 1e9 })).toThrow('num_labels');
});

test.each([
  'bert-classifier',
  'roberta-classifier',
  'distilbert-classifier',
  'mpnet-classifier',
  'llama-classifier',
])('%s knows its labels', (name) => {
  expect(openGolden(name).spec.classifier?.labels).toEqual(['LABEL_0', 'LABEL_1', 'LABEL_2']);
});
