/** All families, by `model_type`. */
import { ScanError } from '../../errors.ts';
import type { ModelConfig } from '../config.ts';
import type { ModelSpec } from '../spec.ts';
import { type TensorLookup, TensorScope } from '../tensor-scope.ts';
import { bert } from './bert.ts';
import type { Family } from './family.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gptNeox } from './gpt-neox.ts';
import { gpt2 } from './gpt2.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { qwen2 } from './qwen2.ts';

const FAMILIES: readonly Family[] = [bert, gemma, gemma2, gpt2, gptNeox, llama, mistral, qwen2];

export function knownModelTypes(): string[] {
  return FAMILIES.flatMap((family) => family.modelTypes).sort();
}

/** @throws ScanError `E_ARCHITECTURE` for an unknown `model_type` */
export function describeModel(config: ModelConfig, weights: TensorLookup): ModelSpec {
  const type = config.modelType;
  const family = FAMILIES.find((candidate) => candidate.modelTypes.includes(type));
  if (family === undefined) {
    throw new ScanError('E_ARCHITECTURE', `model_type ${JSON.stringify(type)} is not known`, {
      file: config.file,
      hint: `Files and weights are still scanned. Known: ${knownModelTypes().join(', ')}.`,
    });
  }
  return family.describe(config, new TensorScope(weights));
}
