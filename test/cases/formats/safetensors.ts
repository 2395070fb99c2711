/** Safetensors files, sound and broken. */
import { casesOf, type RuleCase } from './rule-case.ts';

/** A file from header text and data bytes; nothing is checked. */
export function safetensorsFile(
  header: string | object,
  data: Uint8Array = new Uint8Array(0),
): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.byteLength));
  return Buffer.concat([length, text, data]);
}

export function entry(shape: readonly number[], begin: number, end: number, dtype = 'F32'): object {
  return { dtype, shape, data_offsets: [begin, end] };
}

const data = Buffer.from(new Float32Array([1, 2, 3, 4]).buffer);
const sound = { a: entry([2], 0, 8), b: entry([2], 8, 16) };
const hidden = Buffer.from('hidden payload bytes');

function flood(): Buffer {
  const tensors = Array.from(
    { length: 100_001 },
    (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`,
  );
  return safetensorsFile(`{${tensors.join(',')}}`);
}

export const safetensorsCases: readonly RuleCase[] = [
  ...casesOf('tampered-structure', {
    'positive-safetensors-duplicate-name.safetensors': () =>
      safetensorsFile(
        `{"a":${JSON.stringify(entry([2], 0, 8))},"a":${JSON.stringify(entry([2], 8, 16))}}`,
        data,
      ),
    'positive-safetensors-overlap.safetensors': () =>
      safetensorsFile({ a: entry([3], 0, 12), b: entry([2], 8, 16) }, data),
    'positive-safetensors-gap.safetensors': () =>
      safetensorsFile(
        { a: entry([2], 0, 8), b: entry([2], 8 + hidden.byteLength, 16 + hidden.byteLength) },
        Buffer.concat([data.subarray(0, 8), hidden, data.subarray(8)]),
      ),
    'positive-safetensors-tail.safetensors': () =>
      safetensorsFile(sound, Buffer.concat([data, hidden])),
    'positive-safetensors-bounds.safetensors': () =>
      safetensorsFile({ a: entry([6], 0, 24) }, data),
    'positive-safetensors-shape-overflow.safetensors': () =>
      safetensorsFile({ a: entry([4294967296, 4294967296], 0, 16) }, data),
    'positive-safetensors-size-mismatch.safetensors': () =>
      safetensorsFile({ a: entry([3], 0, 16) }, data),
    'negative-safetensors-sound.safetensors': () =>
      safetensorsFile({ __metadata__: { format: 'pt' }, ...sound }, data),
    'negative-safetensors-newer-dtypes.safetensors': () =>
      safetensorsFile({ a: entry([8], 0, 4, 'F4'), b: entry([12], 4, 16, 'F8_E8M0') }, data),
  }),
  ...casesOf('irregular-structure', {
    'positive-safetensors-zero-tail.safetensors': () =>
      safetensorsFile(sound, Buffer.concat([data, Buffer.alloc(64)])),
    'positive-safetensors-unknown-dtype.safetensors': () =>
      safetensorsFile({ a: entry([4], 0, 16, 'Q4_SECRET') }, data),
    'positive-safetensors-padding.safetensors': () =>
      safetensorsFile(JSON.stringify(sound) + ' '.repeat(5000), data),
    'negative-safetensors-sound.safetensors': () =>
      safetensorsFile(`${JSON.stringify(sound)}       `, data),
  }),
  ...casesOf('metadata-payload', {
    'positive-safetensors-python.safetensors': () =>
      safetensorsFile(
        { __metadata__: { note: "__import__('os').system('true')" }, ...sound },
        data,
      ),
    'positive-safetensors-markup.safetensors': () =>
      safetensorsFile({ '<script>fetch(1)</script>': entry([4], 0, 16) }, data),
    'positive-safetensors-base64.safetensors': () =>
      safetensorsFile(
        {
          __metadata__: {
            blob: Buffer.from('import os; os.system("true") # inert').toString('base64'),
          },
          ...sound,
        },
        data,
      ),
    'positive-safetensors-path.safetensors': () =>
      safetensorsFile({ __metadata__: { vocab: '../../../../etc/passwd' }, ...sound }, data),
    'negative-safetensors-ordinary-metadata.safetensors': () =>
      safetensorsFile(
        {
          __metadata__: {
            format: 'pt',
            description: 'Evaluates poems; runs on a subprocess-free system, see <b>docs</b>.',
            'modelspec.thumbnail': `data:image/jpeg;base64,${Buffer.alloc(300, 'sample').toString('base64')}`,
            ss_sd_model_name: '../models/v1-5.safetensors',
            ss_network_args: '{"conv_dim": "8", "script": null}',
          },
          ...sound,
        },
        data,
      ),
  }),
];

/** Too large to store: made where it is tested. */
export const safetensorsFlood = flood;
