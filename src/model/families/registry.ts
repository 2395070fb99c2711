/** All families, by `model_type`. */
import { ScanError } from '../../errors.ts';
import type { ModelConfig } from '../config.ts';
import type { ModelSpec } from '../spec.ts';
import { type TensorLookup, TensorScope } from '../tensor-scope.ts';
import { bert } from './bert.ts';
import { bloom } from './bloom.ts';
import { cohere } from './cohere.ts';
import { distilbert } from './distilbert.ts';
import { falcon } from './falcon.ts';
import type { Family } from './family.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { gptNeo } from './gpt-neo.ts';
import { gptNeox } from './gpt-neox.ts';
import { gpt2, gptBigcode } from './gpt2.ts';
import { gptj } from './gptj.ts';
import { granite } from './granite.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { mixtral } from './mixtral.ts';
import { mpnet } from './mpnet.ts';
import { olmo2 } from './olmo2.ts';
import { opt } from './opt.ts';
import { phi } from './phi.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3Moe } from './qwen3-moe.ts';
import { roberta } from './roberta.ts';
import { smollm3 } from './smollm3.ts';
import { stablelm } from './stablelm.ts';

const FAMILIES: readonly Family[] = [
  bert,
  bloom,
  cohere,
  distilbert,
  falcon,
  gemma,
  gemma2,
  gemma3,
  gpt2,
  gptBigcode,
  gptj,
  gptNeo,
  gptNeox,
  granite,
  llama,
  mistral,
  mixtral,
  mpnet,
  olmo2,
  opt,
  phi,
  phi3,
  qwen2,
  qwen3,
  qwen3Moe,
  roberta,
  smollm3,
  stablelm,
];

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
