/** Every generated case of templates, tokenizers, configurations and repositories. */
import type { RuleCase } from '../formats/rule-case.ts';
import { CONFIG_CASES } from './config-cases.ts';
import { TEMPLATE_CASES } from './template-cases.ts';
import { TOKENIZER_CASES } from './tokenizer-cases.ts';

export const REPOSITORY_CASES: readonly RuleCase[] = [
  ...TEMPLATE_CASES,
  ...CONFIG_CASES,
  ...TOKENIZER_CASES,
];
