/** NumPy, skops and TorchScript cases. Nothing in them is run. */
import { zipFile } from '../zip-writer.ts';
import { casesOf, type RuleCase } from './rule-case.ts';

/** A version 1 .npy file with the header text as given. */
export function npyFile(header: string, data: Uint8Array): Buffer {
  const padded = `${header.padEnd(117)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(Buffer.byteLength(padded));
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    length,
    Buffer.from(padded),
    data,
  ]);
}

export const npyHeader = (descr: string, shape: string): string =>
  `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`;

const floats = Buffer.alloc(24, 1);

type SkopsNode = Readonly<Record<string, unknown>>;
const skops = (node: SkopsNode): Buffer =>
  zipFile([
    {
      name: 'schema.json',
      data: Buffer.from(JSON.stringify({ ...node, _skops_version: '0.16.0', protocol: 2 })),
    },
  ]);
const typed = (module: string, name: string, loader: string, more: SkopsNode = {}): SkopsNode => ({
  __class__: name,
  __module__: module,
  __loader__: loader,
  ...more,
});
const pipeline = (step: SkopsNode): Buffer =>
  skops(
    typed('sklearn.pipeline', 'Pipeline', 'ObjectNode', {
      content: typed('builtins', 'dict', 'DictNode', { content: { step } }),
    }),
  );

const script = (body: string): Buffer =>
  zipFile([
    { name: 'm/data.pkl', data: Buffer.from('\x80\x02K\x01.', 'latin1') },
    {
      name: 'm/code/__torch__.py',
      data: Buffer.from(
        `class M(Module):\n  def forward(self, x: Tensor) -> Tensor:\n    ${body}\n    return x\n`,
      ),
    },
    { name: 'm/version', data: Buffer.from('3\n') },
  ]);
const program = (): Buffer => {
  const bytes = Buffer.alloc(128);
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeUInt32LE(1, 20);
  return bytes;
};

export const objectCases: readonly RuleCase[] = [
  ...casesOf('tampered-structure', {
    'positive-npy-call-in-header.npy': () =>
      npyFile(npyHeader("'<f4'", "__import__('os').getpid()"), floats),
    'positive-npy-bounds.npy': () => npyFile(npyHeader("'<f4'", '(900,)'), floats),
    'positive-npy-overflow.npy': () =>
      npyFile(npyHeader("'<f8'", '(4294967296, 4294967296)'), floats),
    'positive-npy-tail.npy': () => npyFile(npyHeader("'<f4'", '(2,)'), floats),
    'positive-msgpack-tail.msgpack': () =>
      Buffer.concat([Buffer.from([0x81, 0xa1, 0x61, 0x93, 1, 2, 3]), Buffer.from('hidden')]),
    'negative-msgpack.msgpack': () =>
      Buffer.from([
        0x81,
        0xa6,
        ...Buffer.from('params'),
        0x81,
        0xa1,
        0x77,
        0xc7,
        5,
        1,
        0x93,
        0x90,
        0xa1,
        0x66,
        0xc0,
      ]),
    'negative-npy.npy': () => npyFile(npyHeader("'<f4'", '(2, 3)'), floats),
    'negative-npy-fields.npy': () =>
      npyFile(npyHeader("[('a', '<i4'), ('b', '<f4', (2,))]", '(2,)'), floats),
  }),
  ...casesOf('embedded-program', {
    'positive-elf.bin': program,
    'negative-mz-weights.bin': () => Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200, 7)]),
  }),
];

/** Cases inside zip archives. */
export const zippedCases: readonly RuleCase[] = [
  ...casesOf('unsafe-type', {
    'positive-os-system.skops': () => pipeline(typed('os', 'system', 'FunctionNode')),
    'positive-operator-mismatch.skops': () =>
      pipeline(
        typed('sklearn.pipeline', 'Pipeline', 'OperatorFuncNode', {
          attrs: typed('builtins', 'str', 'JsonNode', { content: '"x"' }),
        }),
      ),
    'positive-private-method.skops': () =>
      pipeline(typed('builtins', 'str', 'MethodNode', { content: { func: '__reduce__' } })),
    'positive-library-function.skops': () =>
      pipeline(typed('numpy.f2py', 'compile', 'FunctionNode')),
    'negative-pipeline.skops': () =>
      pipeline(typed('sklearn.preprocessing._data', 'StandardScaler', 'ObjectNode')),
    'negative-ufunc.skops': () => pipeline(typed('numpy', 'log1p', 'FunctionNode')),
  }),
  ...casesOf('unlisted-type', {
    'positive-own-transformer.skops': () =>
      pipeline(typed('my_package', 'MyTransformer', 'ObjectNode')),
    'positive-method.skops': () =>
      pipeline(typed('sklearn.pipeline', 'Pipeline', 'MethodNode', { content: { func: 'fit' } })),
    'negative-booster.skops': () =>
      pipeline(typed('xgboost.sklearn', 'XGBClassifier', 'ObjectNode')),
  }),
  ...casesOf('duplicate-json-key', {
    'positive-skops.skops': () =>
      zipFile([
        {
          name: 'schema.json',
          data: Buffer.from(
            '{"__loader__": "TypeNode", "__class__": "str", "__class__": "system", "__module__": "builtins"}',
          ),
        },
      ]),
  }),
  ...casesOf('operator-touches-files', {
    'positive-torchscript-from-file.pt': () =>
      script('y = torch.from_file("/etc/hostname", False, 10)'),
    'positive-torchscript-save.pt': () => script('_0 = torch.save(x, "/tmp/inert")'),
    'negative-torchscript.pt': () => script('y = torch.relu(x)'),
  }),
  ...casesOf('operator-runs-code', {
    'positive-torchscript-rpc.pt': () => script('_0 = ops.rpc.rpc_sync("worker", "f", [x])'),
  }),
  ...casesOf('custom-operator', {
    'positive-torchscript-namespace.pt': () => script('y = ops.my_kernels.fast(x)'),
    'negative-torchscript-vision.pt': () => script('y = ops.torchvision.nms(x, x, 0.5)'),
  }),
  ...casesOf('torchscript-code', {
    'positive-torchscript.pt': () => script('y = torch.relu(x)'),
    'negative-state-dict.pt': () =>
      zipFile([{ name: 'm/data.pkl', data: Buffer.from('\x80\x02K\x01.', 'latin1') }]),
  }),
  ...casesOf('embedded-program', {
    'positive-package.pt': () =>
      zipFile([{ name: 'p/mymodule/__init__.py', data: Buffer.from('x = 1\n') }]),
    'negative-torchscript.pt': () => script('y = torch.relu(x)'),
  }),
];
