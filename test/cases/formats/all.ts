/** Every generated case of the structured formats. */
import { ggufCases } from './gguf.ts';
import { graphCases } from './graphs.ts';
import { kerasCases } from './keras.ts';
import { objectCases, zippedCases } from './objects.ts';
import { onnxCases } from './onnx.ts';
import type { RuleCase } from './rule-case.ts';
import { safetensorsCases } from './safetensors.ts';

export const FORMAT_CASES: readonly RuleCase[] = [
  ...safetensorsCases,
  ...ggufCases,
  ...onnxCases,
  ...kerasCases,
  ...graphCases,
  ...objectCases,
  ...zippedCases,
];
