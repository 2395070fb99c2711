/** Broken copies of a small model, each wrong in one way. */
import { cpSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILES = [
  'config.json',
  'generation_config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
];

/** A writable copy of a model folder. @returns its path */
export function copyModel(model: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const name of FILES) cpSync(join(model, name), join(folder, name));
  return folder;
}

type Json = Record<string, unknown>;

function changeJson(folder: string, name: string, change: (value: Json) => void): void {
  const file = join(folder, name);
  const value = JSON.parse(readFileSync(file, 'utf8')) as Json;
  change(value);
  writeFileSync(file, JSON.stringify(value));
}

function changeWeights(folder: string, change: (bytes: Buffer) => void): void {
  const file = join(folder, 'model.safetensors');
  const bytes = readFileSync(file);
  change(bytes);
  writeFileSync(file, bytes);
}

/** Absolute offsets of a tensor's first byte and of the byte after its last. */
function tensorSpan(bytes: Buffer, name: string): readonly [number, number] {
  const headerBytes = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const entry = header[name];
  if (entry === undefined) throw new Error(`no tensor ${name}`);
  const [begin, end] = entry.data_offsets;
  return [8 + headerBytes + begin, 8 + headerBytes + end];
}

export const VARIANTS = {
  'cut weights': (folder) => {
    const file = join(folder, 'model.safetensors');
    truncateSync(file, Math.floor(statSync(file).size / 2));
  },
  'a header that lies': (folder) =>
    changeWeights(folder, (bytes) => void bytes.writeBigUInt64LE(9_000_000_000n)),
  'another shape': (folder) =>
    changeJson(folder, 'config.json', (config) => {
      config['hidden_size'] = 128;
    }),
  'NaN weights': (folder) =>
    changeWeights(folder, (bytes) => {
      const [start] = tensorSpan(bytes, 'model.layers.2.mlp.down_proj.weight');
      bytes.writeFloatLE(Number.NaN, start + 400);
    }),
  'an unknown architecture': (folder) =>
    changeJson(folder, 'config.json', (config) => {
      config['model_type'] = 'zebra';
      config['architectures'] = ['ZebraForCausalLM'];
    }),
  'an unreadable tokenizer': (folder) =>
    writeFileSync(join(folder, 'tokenizer.json'), '{"model": '),
  'a vocabulary larger than the embedding': (folder) =>
    changeJson(folder, 'config.json', (config) => {
      config['vocab_size'] = 1024;
    }),
  'no first token': (folder) => {
    changeJson(folder, 'tokenizer_config.json', (config) => {
      delete config['bos_token'];
      config['add_bos_token'] = false;
    });
    changeJson(folder, 'config.json', (config) => {
      delete config['bos_token_id'];
    });
    changeJson(folder, 'tokenizer.json', (tokenizer) => {
      tokenizer['post_processor'] = null;
    });
  },
  // Without a final norm all logits are equal, so every answer is the first token.
  'one token as every answer': (folder) =>
    changeWeights(folder, (bytes) => void bytes.fill(0, ...tensorSpan(bytes, 'model.norm.weight'))),
} satisfies Readonly<Record<string, (folder: string) => void>>;
