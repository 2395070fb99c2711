/** A model folder or GGUF file opened for running: description, weights, tokenizer. */
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describeModel } from './families/registry.ts';
import { readModelConfig, readTokenizer } from './model-files.ts';
import { readPooling } from './pooling.ts';
import type { ModelSpec } from './spec.ts';
import type { Tokenizer } from './tokenizer.ts';
import { unreadTensors } from './unread-tensors.ts';
import { isAdapterFolder } from './weights/adapter.ts';
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

/**
 * @param folder model folder, GGUF file, or adapter folder
 * @param options.base what an adapter is laid onto; it also gives config and, if need be, tokenizer
 * @throws ScanError with the file concerned
 */
export function openModel(folder: string, options: { readonly base?: string } = {}): Model {
  const real = realpathSync(folder);
  const { base } = options;
  const adapted = base !== undefined && isAdapterFolder(real);
  const main = adapted ? realpathSync(base) : real;
  const config = readModelConfig(main);
  const weights = openWeights(real, adapted ? { base: main } : {});
  const described = describeModel(config, weights);
  const pooling = readPooling(main);
  const spec = pooling === undefined ? described : { ...described, pooling };
  const unread = unreadTensors(spec, weights.names);
  const ownTokenizer = adapted && existsSync(join(real, 'tokenizer.json'));
  const tokenizer = readTokenizer(ownTokenizer ? real : main, spec.vocabularySize);
  return { folder: real, spec, weights, unread, tokenizer };
}
