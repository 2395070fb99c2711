/** All families, by `model_type`. */
import { ScanError } from '../../errors.ts';
import type { ModelConfig } from '../config.ts';
import type { ModelSpec } from '../spec.ts';
import type { WeightSet } from '../weights.ts';
import type { Family } from './family.ts';
import { llama } from './llama.ts';

const FAMILIES: readonly Family[] = [llama];

export function knownModelTypes(): string[] {
  return FAMILIES.flatMap((family) => family.modelTypes).sort();
}

/** @throws ScanError `E_ARCHITECTURE` for an unknown `model_type` */
export function describeModel(config: ModelConfig, weights: WeightSet): ModelSpec {
  const type = config.modelType;
  const family = FAMILIES.find((candidate) => candidate.modelTypes.includes(type));
  if (family === undefined) {
    throw new ScanError('E_ARCHITECTURE', `model_type ${JSON.stringify(type)} is not known`, {
      file: config.file,
      hint: `Files and weights are still scanned. Known: ${knownModelTypes().join(', ')}.`,
    });
  }
  return family.describe(config, weights);
}
