/** How a sentence-transformers folder makes one embedding of a text: modules.json and its modules' own configs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ScanError } from '../errors.ts';
import { type ModelConfig, readConfig, readJson } from './config.ts';
import type { Activation, PoolingSpec } from './spec.ts';
import { TensorScope } from './tensor-scope.ts';
import { openWeights } from './weights.ts';

const MODULES = z.array(z.object({ type: z.string(), path: z.string() })).max(32);

/** The modes that are supported, by their key in the pooling module's config. */
const MODES = [
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_cls_token', 'first'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_lasttoken', 'last'],
] as const;

const DENSE_ACTIVATIONS: readonly (readonly [RegExp, Activation | undefined])[] = [
  [/\.Tanh$/, 'tanh'],
  [/\.ReLU$/, 'relu'],
  [/\.GELU$/, 'gelu'],
  [/\.Identity$/, undefined],
];

/**
 * @param folder the model folder
 * @returns undefined where the folder has no modules.json
 * @throws ScanError `E_MODEL_CONFIG` for modules that are not known
 */
export function readPooling(folder: string): PoolingSpec | undefined {
  const file = join(folder, 'modules.json');
  if (!existsSync(file)) return undefined;
  const parsed = MODULES.safeParse(readJson(file));
  if (!parsed.success) {
    throw new ScanError('E_MODEL_CONFIG', 'not a list of modules with type and path', { file });
  }
  let kind: PoolingSpec['kind'] = 'mean';
  let normalise = false;
  const dense: NonNullable<PoolingSpec['dense']>[number][] = [];
  for (const { type, path } of parsed.data) {
    const name = type.split('.').at(-1);
    if (name === 'Normalize') normalise = true;
    if (name === 'Transformer' || name === 'Normalize') continue;
    if (!/^[\w-]+$/.test(path)) {
      throw new ScanError('E_OUTSIDE', `module path ${JSON.stringify(path)} is not a plain name`, {
        file,
      });
    }
    if (name === 'Pooling') kind = poolingKind(readConfig(join(folder, path, 'config.json')));
    else if (name === 'Dense') dense.push(readDense(join(folder, path)));
    else throw new ScanError('E_MODEL_CONFIG', `unknown module ${JSON.stringify(type)}`, { file });
  }
  return { kind, normalise, ...(dense.length > 0 && { dense }) };
}

function poolingKind(config: ModelConfig): PoolingSpec['kind'] {
  const asked = [...config.keys].filter(
    (key) => key.startsWith('pooling_mode_') && config.raw(key) === true,
  );
  const [only] = MODES.filter(([key]) => asked.includes(key));
  if (only === undefined || asked.length !== 1) {
    throw config.fail(`pooling by ${asked.join(' and ') || 'nothing'} is not supported`);
  }
  return only[1];
}

function readDense(folder: string): NonNullable<PoolingSpec['dense']>[number] {
  const config = readConfig(join(folder, 'config.json'));
  const linear = new TensorScope(openWeights(folder)).linear(
    'linear',
    config.count(['out_features']),
    config.count(['in_features']),
    { bias: config.flag(['bias'], true) },
  );
  const name = config.string(['activation_function'], 'torch.nn.modules.activation.Tanh');
  const known = DENSE_ACTIVATIONS.find(([pattern]) => pattern.test(name));
  if (known === undefined) throw config.fail(`unknown activation ${JSON.stringify(name)}`);
  const [, activation] = known;
  return { linear, ...(activation !== undefined && { activation }) };
}
