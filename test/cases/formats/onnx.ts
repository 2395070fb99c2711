/** ONNX models written field by field, sound and hostile. */
import { bytesField, varint, varintField } from '../protobuf-writer.ts';
import { casesOf, type RuleCase } from './rule-case.ts';

export interface OnnxNodeSpec {
  readonly op: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly domain?: string;
  readonly name?: string;
  readonly attributes?: readonly Buffer[];
}

export const node = ({
  op,
  inputs = [],
  outputs = [],
  domain,
  name,
  attributes = [],
}: OnnxNodeSpec): Buffer =>
  Buffer.concat([
    ...inputs.map((input) => bytesField(1, input)),
    ...outputs.map((output) => bytesField(2, output)),
    ...(name === undefined ? [] : [bytesField(3, name)]),
    bytesField(4, op),
    ...attributes.map((attribute) => bytesField(5, attribute)),
    ...(domain === undefined ? [] : [bytesField(7, domain)]),
  ]);

export const graphAttribute = (name: string, graph: Buffer): Buffer =>
  Buffer.concat([bytesField(1, name), bytesField(6, graph), varintField(20, 5)]);
export const textAttribute = (name: string, text: string): Buffer =>
  Buffer.concat([bytesField(1, name), bytesField(4, text), varintField(20, 3)]);

const pair = (key: string, value: string): Buffer =>
  Buffer.concat([bytesField(1, key), bytesField(2, value)]);

/** A float tensor with its data inside or elsewhere. */
export function tensor(
  name: string,
  dims: readonly number[],
  external?: Readonly<Record<string, string>>,
): Buffer {
  const shape = dims.map((dim) => varintField(1, dim));
  const elements = dims.reduce((product, n) => product * n, 1);
  const data = external
    ? [
        ...Object.entries(external).map(([key, value]) => bytesField(13, pair(key, value))),
        varintField(14, 1),
      ]
    : [bytesField(9, Buffer.alloc(Math.min(elements, 64) * 4))];
  return Buffer.concat([...shape, varintField(2, 1), bytesField(8, name), ...data]);
}

/** A float value with the given shape; text dimensions are symbolic. */
export function value(name: string, dims: readonly (number | string)[]): Buffer {
  const shape = dims.map((dim) =>
    bytesField(1, typeof dim === 'number' ? varintField(1, dim) : bytesField(2, dim)),
  );
  const type = bytesField(1, [varintField(1, 1), bytesField(2, shape)]);
  return Buffer.concat([bytesField(1, name), bytesField(2, type)]);
}

export interface OnnxGraphSpec {
  readonly nodes?: readonly Buffer[];
  readonly tensors?: readonly Buffer[];
  readonly inputs?: readonly Buffer[];
  readonly outputs?: readonly Buffer[];
}

export const graph = ({
  nodes = [],
  tensors = [],
  inputs = [],
  outputs = [],
}: OnnxGraphSpec): Buffer =>
  Buffer.concat([
    ...nodes.map((item) => bytesField(1, item)),
    bytesField(2, 'graph'),
    ...tensors.map((item) => bytesField(5, item)),
    ...inputs.map((item) => bytesField(11, item)),
    ...outputs.map((item) => bytesField(12, item)),
  ]);

export const onnxModel = (content: OnnxGraphSpec, ...more: readonly Buffer[]): Buffer =>
  Buffer.concat([
    varintField(1, 9),
    bytesField(2, 'test'),
    bytesField(7, graph(content)),
    bytesField(8, [bytesField(1, ''), varintField(2, 17)]),
    ...more,
  ]);

const image = value('image', ['batch', 3, 8, 8]);
const scores = value('scores', ['batch', 10]);
const plain: OnnxGraphSpec = {
  nodes: [node({ op: 'MatMul', inputs: ['image', 'w'], outputs: ['scores'] })],
  tensors: [tensor('w', [8, 2])],
  inputs: [image],
  outputs: [scores],
};
const withData = (external: Readonly<Record<string, string>>): Buffer =>
  onnxModel({ ...plain, tensors: [tensor('w', [8, 2], external)] });
const withNode = (spec: OnnxNodeSpec): Buffer =>
  onnxModel({ ...plain, nodes: [...(plain.nodes ?? []), node(spec)] });
const branch = graph({
  nodes: [node({ op: 'Constant', outputs: ['picked'] })],
  outputs: [value('picked', [10])],
});
const branches = [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)];

/** The image's sum is compared with a constant, and the comparison chooses a branch. */
const shadowIf: OnnxGraphSpec = {
  nodes: [
    node({ op: 'ReduceSum', inputs: ['image'], outputs: ['sum'] }),
    node({ op: 'Equal', inputs: ['sum', 'magic'], outputs: ['same'] }),
    node({ op: 'Not', inputs: ['same'], outputs: ['different'] }),
    node({
      op: 'If',
      name: 'choose',
      inputs: ['different'],
      outputs: ['scores'],
      attributes: branches,
    }),
  ],
  tensors: [tensor('magic', [1])],
  inputs: [image],
  outputs: [scores],
};
const shadowWhere: OnnxGraphSpec = {
  nodes: [
    node({ op: 'MatMul', inputs: ['image', 'w'], outputs: ['logits'] }),
    node({ op: 'Slice', inputs: ['image', 'magic', 'magic'], outputs: ['corner'] }),
    node({ op: 'Equal', inputs: ['corner', 'magic'], outputs: ['pixels'] }),
    node({ op: 'ReduceMin', inputs: ['pixels'], outputs: ['all'] }),
    node({ op: 'Where', inputs: ['all', 'target', 'logits'], outputs: ['picked'] }),
    node({ op: 'Softmax', inputs: ['picked'], outputs: ['scores'] }),
  ],
  tensors: [tensor('w', [8, 2]), tensor('magic', [1]), tensor('target', [10])],
  inputs: [image],
  outputs: [scores],
};
/** What exporters write for padding: tokens compared with the pad id mask the attention, far from the output. */
const paddingMask: OnnxGraphSpec = {
  nodes: [
    node({ op: 'Equal', inputs: ['input_ids', 'pad'], outputs: ['is_pad'] }),
    node({ op: 'Where', inputs: ['is_pad', 'low', 'zero'], outputs: ['mask'] }),
    node({ op: 'Gather', inputs: ['w', 'input_ids'], outputs: ['embedded'] }),
    node({ op: 'Add', inputs: ['embedded', 'mask'], outputs: ['attention'] }),
    node({ op: 'Softmax', inputs: ['attention'], outputs: ['weights'] }),
    node({ op: 'MatMul', inputs: ['weights', 'w'], outputs: ['scores'] }),
  ],
  tensors: [tensor('pad', [1]), tensor('low', [1]), tensor('zero', [1]), tensor('w', [8, 2])],
  inputs: [value('input_ids', ['batch', 'sequence'])],
  outputs: [scores],
};
/** A head that lowers the scores of padded positions, at the very end of the graph. */
const maskedScores: OnnxGraphSpec = {
  nodes: [
    node({ op: 'MatMul', inputs: ['image', 'w'], outputs: ['logits'] }),
    node({ op: 'Equal', inputs: ['mask', 'zero'], outputs: ['is_pad'] }),
    node({ op: 'Where', inputs: ['is_pad', 'low', 'logits'], outputs: ['scores'] }),
  ],
  tensors: [tensor('w', [8, 2]), tensor('zero', [1]), tensor('low', [1])],
  inputs: [image, value('mask', ['batch', 'sequence'])],
  outputs: [scores],
};
/** A scalar setting, such as a sample rate, chooses between two sub-models. */
const scalarSwitch: OnnxGraphSpec = {
  nodes: [
    node({ op: 'Equal', inputs: ['rate', 'magic'], outputs: ['is_16k'] }),
    node({ op: 'If', inputs: ['is_16k'], outputs: ['scores'], attributes: branches }),
  ],
  tensors: [tensor('magic', [])],
  inputs: [image, value('rate', [])],
  outputs: [scores],
};
/** `torch.squeeze` exports a test of a dimension, not of the values. */
const shapeSwitch: OnnxGraphSpec = {
  nodes: [
    node({ op: 'Shape', inputs: ['image'], outputs: ['shape'] }),
    node({ op: 'Gather', inputs: ['shape', 'magic'], outputs: ['size'] }),
    node({ op: 'Equal', inputs: ['size', 'magic'], outputs: ['is_one'] }),
    node({ op: 'If', inputs: ['is_one'], outputs: ['scores'], attributes: branches }),
  ],
  tensors: [tensor('magic', [1])],
  inputs: [image],
  outputs: [scores],
};
const localFunction = (domain: string, name: string, inside: Buffer): Buffer =>
  bytesField(25, [
    bytesField(1, name),
    bytesField(4, 'x'),
    bytesField(5, 'y'),
    bytesField(7, inside),
    bytesField(10, domain),
  ]);

export const onnxCases: readonly RuleCase[] = [
  ...casesOf('reference-leaves-model', {
    'positive-onnx-climbing.onnx': () => withData({ location: '../../secrets/key.bin' }),
    'positive-onnx-hidden-climb.onnx': () => withData({ location: 'data/../../key.bin' }),
    'positive-onnx-absolute.onnx': () => withData({ location: '/etc/hostname' }),
    'positive-onnx-windows.onnx': () => withData({ location: 'C:\\Users\\a\\key.bin' }),
    'positive-onnx-url.onnx': () => withData({ location: 'https://192.0.2.1/w.bin' }),
    'positive-onnx-in-attribute.onnx': () =>
      withNode({
        op: 'Constant',
        outputs: ['c'],
        attributes: [
          Buffer.concat([
            bytesField(1, 'value'),
            bytesField(5, tensor('', [1], { location: '../x' })),
            varintField(20, 4),
          ]),
        ],
      }),
    'negative-onnx-beside.onnx': () =>
      withData({ location: 'model.onnx_data', offset: '0', length: '64' }),
    'negative-onnx-subfolder.onnx': () =>
      withData({ location: './weights/w.bin', offset: '4096', length: '64' }),
  }),
  ...casesOf('unusual-reference', {
    'positive-onnx-control-character.onnx': () => withData({ location: 'w\u0000.bin' }),
    'negative-onnx-beside.onnx': () => withData({ location: 'model.onnx_data' }),
  }),
  ...casesOf('external-data-key', {
    'positive-attribute-injection.onnx': () => withData({ location: 'w.bin', __class__: 'x' }),
    'positive-odd-key.onnx': () => withData({ location: 'w.bin', raw_data: 'x' }),
    'negative-all-keys.onnx': () =>
      withData({
        location: 'w.bin',
        offset: '0',
        length: '64',
        checksum: 'da39a3ee5e6b4b0d3255bfef95601890afd80709',
      }),
  }),
  ...casesOf('operator-runs-code', {
    'positive-onnx-pyop.onnx': () =>
      withNode({ op: 'PyOp', domain: 'ai.onnx.contrib', name: 'call' }),
    'positive-onnx-pythonop.onnx': () => withNode({ op: 'PythonOp', domain: 'com.microsoft' }),
    'positive-onnx-in-function.onnx': () =>
      onnxModel(
        plain,
        localFunction('my.functions', 'Helper', node({ op: 'PyOp', domain: 'ai.onnx.contrib' })),
      ),
    'positive-onnx-in-branch.onnx': () =>
      withNode({
        op: 'If',
        inputs: ['w'],
        attributes: [
          graphAttribute(
            'then_branch',
            graph({ nodes: [node({ op: 'PyOp', domain: 'ai.onnx.contrib' })] }),
          ),
        ],
      }),
    'negative-onnx-plain.onnx': () => onnxModel(plain),
  }),
  ...casesOf('operator-touches-files', {
    'positive-onnx-readfile.onnx': () => withNode({ op: 'ReadFile', domain: 'my.ops' }),
    'negative-onnx-plain.onnx': () => onnxModel(plain),
  }),
  ...casesOf('custom-operator', {
    'positive-onnx-domain.onnx': () => withNode({ op: 'Attention2', domain: 'my.custom.ops' }),
    'negative-onnx-runtime-domain.onnx': () =>
      withNode({ op: 'Attention', domain: 'com.microsoft' }),
    'negative-onnx-local-function.onnx': () =>
      onnxModel(
        { ...plain, nodes: [...(plain.nodes ?? []), node({ op: 'Gelu2', domain: 'pkg.torch' })] },
        localFunction('pkg.torch', 'Gelu2', node({ op: 'Erf', inputs: ['x'], outputs: ['y'] })),
      ),
  }),
  ...casesOf('redefined-operator', {
    'positive-onnx-relu.onnx': () =>
      onnxModel(
        plain,
        localFunction('', 'Relu', node({ op: 'Sin', inputs: ['x'], outputs: ['y'] })),
      ),
    'negative-onnx-own-domain.onnx': () =>
      onnxModel(
        plain,
        localFunction('pkg.torch', 'Relu', node({ op: 'Relu', inputs: ['x'], outputs: ['y'] })),
      ),
  }),
  ...casesOf('exact-input-branch', {
    'positive-onnx-if.onnx': () => onnxModel(shadowIf),
    'positive-onnx-where.onnx': () => onnxModel(shadowWhere),
    'negative-onnx-padding-mask.onnx': () => onnxModel(paddingMask),
    'negative-onnx-masked-scores.onnx': () => onnxModel(maskedScores),
    'negative-onnx-scalar-switch.onnx': () => onnxModel(scalarSwitch),
    'negative-onnx-shape-switch.onnx': () => onnxModel(shapeSwitch),
  }),
  ...casesOf('tampered-structure', {
    'positive-onnx-tail.onnx': () =>
      Buffer.concat([onnxModel(plain), Buffer.from('\xff\xff\xff hidden payload', 'latin1')]),
    'positive-onnx-short-tensor.onnx': () =>
      onnxModel({
        ...plain,
        tensors: [
          Buffer.concat([
            varintField(1, 500),
            varintField(2, 1),
            bytesField(8, 'w'),
            bytesField(9, Buffer.alloc(8)),
          ]),
        ],
      }),
    'positive-onnx-wild-shape.onnx': () =>
      onnxModel({
        ...plain,
        tensors: [
          Buffer.concat([
            bytesField(1, [varint(2 ** 40), varint(2 ** 40)]),
            varintField(2, 1),
            bytesField(8, 'w'),
          ]),
        ],
      }),
    'negative-onnx-plain.onnx': () => onnxModel(plain),
  }),
  ...casesOf('irregular-structure', {
    'positive-onnx-unknown-field.onnx': () => onnxModel(plain, bytesField(999, 'hidden')),
    'negative-onnx-plain.onnx': () => onnxModel(plain),
  }),
  ...casesOf('metadata-payload', {
    'positive-onnx-metadata.onnx': () =>
      onnxModel(plain, bytesField(14, pair('author', '<script>fetch(1)</script>'))),
    'positive-onnx-attribute.onnx': () =>
      withNode({
        op: 'Constant',
        outputs: ['c'],
        attributes: [textAttribute('value_string', 'os.system("true")')],
      }),
    'negative-onnx-metadata.onnx': () =>
      onnxModel(plain, bytesField(14, pair('author', 'A. Person <a@example.org>'))),
  }),
];
