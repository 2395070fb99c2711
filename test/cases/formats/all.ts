/** Every generated case of the structured formats. */
import { ggufCases } from './gguf.ts';
import { kerasCases } from './keras.ts';
import { onnxCases } from './onnx.ts';
import type { RuleCase } from './rule-case.ts';
import { safetensorsCases } from './safetensors.ts';

export const FORMAT_CASES: readonly RuleCase[] = [
  ...safetensorsCases,
  ...ggufCases,
  ...onnxCases,
  ...kerasCases,
];
