/** Every family under missing, misshapen and extra tensors and contradicting configs: a clear error, nothing worse. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LocatedTensor } from '../../../src/artifact/tensor.ts';
import { ScanError } from '../../../src/errors.ts';
import { ModelConfig } from '../../../src/model/config.ts';
import { describeModel, knownModelTypes } from '../../../src/model/families/registry.ts';
import { activationsGraph } from '../../../src/model/graphs/activations.ts';
import type { ModelSpec } from '../../../src/model/spec.ts';
import type { TensorLookup } from '../../../src/model/tensor-scope.ts';
import { unreadTensors } from '../../../src/model/unread-tensors.ts';
import { openWeights, WeightSet } from '../../../src/model/weights.ts';
import { goldenNames, MODELS } from '../../golden/golden-case.ts';

interface Tiny {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, LocatedTensor>;
}

const tinies: readonly Tiny[] = goldenNames().map((name) => {
  const weights = openWeights(join(MODELS, name));
  return {
    name,
    config: JSON.parse(readFileSync(join(MODELS, name, 'config.json'), 'utf8')),
    tensors: new Map(weights.names.map((tensor) => [tensor, weights.get(tensor)])),
  };
});

function describeTiny(
  tiny: Tiny,
  config = tiny.config,
  tensors: ReadonlyMap<string, LocatedTensor> = tiny.tensors,
): ModelSpec {
  const lookup: TensorLookup = new WeightSet([], tensors);
  return describeModel(new ModelConfig(config, 'config.json'), lookup);
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'none';
  } catch (thrown) {
    if (thrown instanceof ScanError) return thrown.code;
    throw thrown;
  }
}

test('every known model_type has a fixture', () => {
  const covered = new Set(tinies.map(({ config }) => config['model_type']));
  // Names that share a layout with a fixture.
  for (const alias of ['camembert', 'xlm-roberta', 'gemma3']) covered.add(alias);
  expect(knownModelTypes().filter((type) => !covered.has(type))).toEqual([]);
});

test('an unknown family is named, and what is still scanned', () => {
  const run = () =>
    describeModel(
      new ModelConfig({ model_type: 'mamba9' }, 'config.json'),
      new WeightSet([], new Map()),
    );
  expect(run).toThrow('model_type "mamba9" is not known');
  expect(run).toThrowError(
    expect.objectContaining({
      code: 'E_ARCHITECTURE',
      hint: expect.stringMatching(/Files and weights are still scanned\. Known: .*llama/),
    }),
  );
});

describe.each(tinies.map((tiny) => [tiny.name, tiny] as const))('%s', (_name, tiny) => {
  const spec = describeTiny(tiny);
  const read = [...tiny.tensors.keys()].filter(
    (name) => !unreadTensors(spec, tiny.tensors.keys()).includes(name),
  );

  test('reads every tensor but an unused pooler', () => {
    const unread = unreadTensors(spec, tiny.tensors.keys());
    expect(unread.filter((name) => !/(^|\.)pooler\./.test(name))).toEqual([]);
  });

  test('names each missing tensor', () => {
    for (const name of read) {
      const tensors = new Map(tiny.tensors);
      tensors.delete(name);
      expect(
        codeOf(() => describeTiny(tiny, tiny.config, tensors)),
        name,
      ).toBe('E_TENSOR_MISSING');
    }
  });

  test('refuses each misshapen tensor', () => {
    for (const name of read) {
      const tensor = tiny.tensors.get(name);
      if (tensor === undefined) throw new Error(name);
      for (const shape of [[...tensor.shape, 1], tensor.shape.map((n) => n + 1), []]) {
        const tensors = new Map(tiny.tensors).set(name, { ...tensor, shape });
        expect(
          codeOf(() => describeTiny(tiny, tiny.config, tensors)),
          name,
        ).toBe('E_TENSOR_SHAPE');
      }
    }
  });

  test('reports extra tensors and is otherwise unmoved by them', () => {
    const extra = {
      ...(tiny.tensors.values().next().value as LocatedTensor),
      name: 'payload.weight',
    };
    const tensors = new Map(tiny.tensors).set('payload.weight', extra);
    expect(describeTiny(tiny, tiny.config, tensors)).toEqual(spec);
    expect(unreadTensors(spec, tensors.keys())).toContain('payload.weight');
  });

  test('refuses contradicting sizes', () => {
    const key = (...names: string[]) => names.find((name) => name in tiny.config) ?? names[0] ?? '';
    const layers = key('num_hidden_layers', 'n_layer', 'num_layers', 'n_layers');
    const heads = key('num_attention_heads', 'n_head', 'num_heads', 'n_heads');
    const vocabulary = 'vocab_size';
    const width = key('hidden_size', 'n_embd', 'dim');
    for (const [name, value] of [
      [layers, 0],
      [layers, 1e9],
      [layers, -1],
      [layers, 1.5],
      [heads, 5],
      [heads, 0],
      [heads, 1e9],
      [vocabulary, 2 ** 40],
      [width, 0],
      [width, '32'],
    ] as const) {
      const code = codeOf(() => describeTiny(tiny, { ...tiny.config, [name]: value }));
      expect(['E_MODEL_CONFIG', 'E_TENSOR_SHAPE'], `${name} = ${value}`).toContain(code);
    }
    const more = codeOf(() =>
      describeTiny(tiny, { ...tiny.config, [layers]: spec.blocks.length + 1 }),
    );
    // Some configs also list their layers one by one, and then that list is what contradicts.
    expect(['E_TENSOR_MISSING', 'E_MODEL_CONFIG']).toContain(more);
  });
});

test('a padding id that is no row is refused', () => {
  const roberta = tinies.find(({ name }) => name === 'roberta-masked');
  if (roberta === undefined) throw new Error('no fixture');
  for (const id of [1.5, -1, 1e9, 31]) {
    const run = () => describeTiny(roberta, { ...roberta.config, pad_token_id: id });
    expect(codeOf(run), String(id)).toBe('E_MODEL_CONFIG');
  }
});

const HOSTILE = [
  0,
  -1,
  1,
  2,
  3,
  1.5,
  1e9,
  2 ** 53,
  1e308,
  -1e308,
  1e-320,
  '',
  'x',
  '__proto__',
  null,
  true,
  false,
  [],
  {},
  [0],
  [[['global'], 1e9]],
  { rope_type: 'yarn' },
  { rope_type: 'longrope', short_factor: [0] },
  { type: 'linear', factor: 0 },
];

test('any value under any key describes a model or ends in a clear error', () => {
  const mutation = fc
    .constantFrom(...tinies)
    .chain((tiny) =>
      fc.tuple(
        fc.constant(tiny),
        fc.array(
          fc.tuple(
            fc.constantFrom(...Object.keys(tiny.config), 'rope_scaling', 'head_dim', 'rotary_pct'),
            fc.constantFrom(...HOSTILE),
          ),
          { minLength: 1, maxLength: 2 },
        ),
      ),
    );
  fc.assert(
    fc.property(mutation, ([tiny, changes]) => {
      const code = codeOf(() => {
        const spec = describeTiny(tiny, { ...tiny.config, ...Object.fromEntries(changes) });
        activationsGraph(spec, [], { logits: spec.head !== undefined, positions: 4 });
      });
      expect([
        'none',
        'E_MODEL_CONFIG',
        'E_TENSOR_MISSING',
        'E_TENSOR_SHAPE',
        'E_ARCHITECTURE',
      ]).toContain(code);
    }),
    { numRuns: 4000 },
  );
});
