/** A model folder or GGUF file opened for running: description, weights, tokenizer. */
import { realpathSync } from 'node:fs';
import { describeModel } from './families/registry.ts';
import { readModelConfig, readTokenizer } from './model-files.ts';
import { readPooling } from './pooling.ts';
import type { ModelSpec } from './spec.ts';
import type { Tokenizer } from './tokenizer.ts';
import { unreadTensors } from './unread-tensors.ts';
import { openWeights, type WeightSet } from './weights.ts';

export interface Model {
  /** Absolute real path. */
  readonly folder: string;
  readonly spec: ModelSpec;
  readonly weights: WeightSet;
  /** Tensors that the architecture does not use: nothing that runs can show what they hold. */
  readonly unread: readonly string[];
  readonly tokenizer: Tokenizer;
}

/** @throws ScanError with the file concerned */
export function openModel(folder: string): Model {
  const real = realpathSync(folder);
  const config = readModelConfig(real);
  const weights = openWeights(real);
  const described = describeModel(config, weights);
  const pooling = readPooling(real);
  const spec = pooling === undefined ? described : { ...described, pooling };
  const unread = unreadTensors(spec, weights.names);
  const tokenizer = readTokenizer(real, spec.vocabularySize);
  return { folder: real, spec, weights, unread, tokenizer };
}
