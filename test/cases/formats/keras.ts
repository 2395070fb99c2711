/** Keras configurations as JSON, sound and hostile. Code in them is text that nothing runs. */
import { casesOf, type RuleCase } from './rule-case.ts';

export interface KerasObjectSpec {
  readonly module?: string;
  readonly class_name: string;
  readonly config?: unknown;
  readonly registered_name?: string | null;
  readonly [extra: string]: unknown;
}

const layer = (class_name: string, config: object = {}, more: object = {}): KerasObjectSpec => ({
  module: 'keras.layers',
  class_name,
  config: { name: class_name.toLowerCase(), ...config },
  registered_name: null,
  ...more,
});

/** A Sequential model with the given layers, as Keras 3 writes it. */
export function sequential(layers: readonly KerasObjectSpec[], more: object = {}): KerasObjectSpec {
  return {
    module: 'keras',
    class_name: 'Sequential',
    config: { name: 'sequential', layers },
    registered_name: null,
    ...more,
  };
}

const dense = layer('Dense', {
  units: 4,
  activation: 'relu',
  kernel_initializer: {
    module: 'keras.initializers',
    class_name: 'GlorotUniform',
    config: { seed: null },
    registered_name: null,
  },
});
const input = layer('InputLayer', { batch_shape: [null, 8] });
const text = (value: unknown): Buffer => Buffer.from(JSON.stringify(value, null, 1));
const model = (...layers: readonly KerasObjectSpec[]): Buffer =>
  text(sequential([input, ...layers]));
const code = Buffer.from('inert: not marshalled code, only as long as some').toString('base64');

export const kerasCases: readonly RuleCase[] = [
  ...casesOf('keras-unsafe-layer', {
    'positive-lambda-keras2.json': () =>
      model(layer('Lambda', { function: [code, null, null], function_type: 'lambda' })),
    'positive-lambda-keras3.json': () =>
      model(
        layer('Lambda', {
          function: { class_name: '__lambda__', config: { code, defaults: null, closure: null } },
        }),
      ),
    'positive-lambda-in-wrapper.json': () =>
      model(
        layer('TimeDistributed', {
          layer: layer('Lambda', { function: [code, null, null], function_type: 'lambda' }),
        }),
      ),
    'positive-os-system.json': () =>
      model({ module: 'os', class_name: 'system', config: 'true', registered_name: 'system' }),
    'positive-in-initializer.json': () =>
      model(
        layer('Dense', {
          kernel_initializer: {
            module: 'subprocess',
            class_name: 'Popen',
            config: { args: 'true' },
          },
        }),
      ),
    'positive-in-build-config.json': () =>
      model(
        layer(
          'Dense',
          {},
          {
            build_config: { input_shape: { module: 'builtins', class_name: 'eval', config: '1' } },
          },
        ),
      ),
    'positive-in-compile-config.json': () =>
      text(
        sequential([input, dense], {
          compile_config: {
            loss: { module: 'numpy.f2py', class_name: 'function', config: 'main' },
          },
        }),
      ),
    'positive-get-file.json': () =>
      model({
        module: 'keras.utils',
        class_name: 'get_file',
        config: { fname: 'x', origin: 'https://192.0.2.1/x' },
      }),
    'positive-get-file-function.json': () =>
      model({
        module: 'keras.src.utils.file_utils',
        class_name: 'function',
        config: 'get_file',
        registered_name: 'get_file',
      }),
    'positive-safe-mode-off.json': () =>
      model({
        module: 'keras.config',
        class_name: 'function',
        config: 'enable_unsafe_deserialization',
      }),
    'positive-torch-wrapper.json': () =>
      model(layer('TorchModuleWrapper', { module: 'gASVinert' })),
    'positive-tfsm-layer.json': () =>
      model(layer('TFSMLayer', { filepath: 'saved', call_endpoint: 'serve' })),
    'positive-dotted-class.json': () =>
      model({ module: 'keras', class_name: 'src.utils.file_utils.os.system', config: 'true' }),
    'positive-tf-operator.json': () =>
      text({
        class_name: 'Functional',
        config: {
          name: 'm',
          layers: [{ class_name: 'TFOpLambda', config: { name: 't', function: 'io.write_file' } }],
        },
      }),
    'positive-library-root.json': () =>
      model({ module: 'pip._internal', class_name: 'main', config: ['install', 'x'] }),
    'negative-dense.json': () => model(dense),
    'negative-keras2.json': () =>
      text({
        class_name: 'Sequential',
        config: {
          name: 's',
          layers: [{ class_name: 'Dense', config: { units: 1, activation: 'softmax' } }],
        },
      }),
    'negative-custom-layer.json': () =>
      model({
        module: 'my_package.layers',
        class_name: 'Gate',
        config: {},
        registered_name: 'my_package>Gate',
      }),
    'negative-not-keras.json': () => text({ class_name: 'os.system' }),
  }),
  ...casesOf('keras-unlisted-class', {
    'positive-custom-layer.json': () =>
      model({
        module: 'my_package.layers',
        class_name: 'Gate',
        config: {},
        registered_name: 'my_package>Gate',
      }),
    'positive-unknown-keras-class.json': () => model(layer('QuantumDense')),
    'positive-old-custom-class.json': () =>
      text({
        class_name: 'Sequential',
        config: { name: 's', layers: [{ class_name: 'MyDense', config: {} }] },
      }),
    'positive-named-lambda.json': () =>
      model(layer('Lambda', { function: 'my_function', function_type: 'function' })),
    'negative-dense.json': () => model(dense, layer('Dropout', { rate: 0.5 })),
    'negative-companion.json': () =>
      model({
        module: 'keras_hub.src.models.gemma',
        class_name: 'GemmaBackbone',
        config: {},
        registered_name: 'keras_hub>GemmaBackbone',
      }),
    'negative-private-module.json': () =>
      text({
        module: 'keras.src.models.functional',
        class_name: 'Functional',
        config: { layers: [dense] },
        registered_name: 'Functional',
      }),
  }),
  ...casesOf('duplicate-json-key', {
    'positive-class-name-twice.json': () =>
      Buffer.from(
        '{"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "class_name": "Lambda", "config": {}}]}}',
      ),
    'negative-dense.json': () => model(dense, dense),
  }),
  ...casesOf('reference-leaves-model', {
    'positive-keras-vocabulary.json': () =>
      model(layer('StringLookup', { vocabulary: '/etc/hostname' })),
    'positive-keras-vocabulary-url.json': () =>
      model(layer('TextVectorization', { vocabulary: 'gs://bucket/vocab.txt' })),
    'negative-keras-vocabulary.json': () =>
      model(layer('StringLookup', { vocabulary: ['a', '/etc/hostname'] })),
  }),
  ...casesOf('unusual-reference', {
    'positive-keras-vocabulary-file.json': () =>
      model(layer('IntegerLookup', { vocabulary: 'vocabulary.txt' })),
    'negative-keras-vocabulary-list.json': () =>
      model(layer('IntegerLookup', { vocabulary: [1, 2, 3] })),
  }),
];
