/**
 * Configs of published models, as their publishers wrote them (sizes only), describe as many parameters as were
 * published. No weights are needed: a stand-in gives every tensor that is asked for.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { LocatedTensor } from '../../../src/artifact/tensor.ts';
import { ModelConfig } from '../../../src/model/config.ts';
import { describeModel } from '../../../src/model/families/registry.ts';
import { tensorBytes } from '../../../src/model/memory.ts';
import type { TensorLookup } from '../../../src/model/tensor-scope.ts';

const anything: TensorLookup = {
  has: (name) => !name.endsWith('.gamma'),
  get: (name, shape = []): LocatedTensor => ({
    name,
    shape,
    dtype: 'f32',
    byteOffset: 0,
    byteLength: 4 * shape.reduce((product, n) => product * n, 1),
    file: '/nowhere',
  }),
};

interface Published {
  readonly parameters: number;
  readonly config: Readonly<Record<string, unknown>>;
}

const PUBLISHED: Readonly<Record<string, Published>> = JSON.parse(
  readFileSync(new URL('../../fixtures/published-configs.json', import.meta.url), 'utf8'),
);

/** Heads that a bare body has no tensors for. */
const BODY: TensorLookup = {
  ...anything,
  has: (name) => anything.has(name) && !/^(?:cls|lm_head)\./.test(name),
};

test.each(Object.keys(PUBLISHED))('%s', (name) => {
  const { parameters, config } = PUBLISHED[name] ?? { parameters: 0, config: {} };
  const lookup = name.endsWith(', body') ? BODY : anything;
  const spec = describeModel(new ModelConfig(config, `${name}/config.json`), lookup);
  expect(tensorBytes(spec) / 4).toBe(parameters);
});
