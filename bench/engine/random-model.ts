/** Models of real shapes with random weights: numbers mean nothing, time and memory are those of the shape. */
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface LlamaShape {
  readonly name: string;
  readonly layers: number;
  readonly width: number;
  readonly hidden: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly vocabulary: number;
}

const CHUNK_ELEMENTS = 2 ** 20;

function tensorsOf(shape: LlamaShape): [string, number[]][] {
  const { width, hidden, heads, keyValueHeads, vocabulary } = shape;
  const narrow = (width / heads) * keyValueHeads;
  const tensors: [string, number[]][] = [['model.embed_tokens.weight', [vocabulary, width]]];
  for (let layer = 0; layer < shape.layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    tensors.push(
      [`${prefix}input_layernorm.weight`, [width]],
      [`${prefix}self_attn.q_proj.weight`, [width, width]],
      [`${prefix}self_attn.k_proj.weight`, [narrow, width]],
      [`${prefix}self_attn.v_proj.weight`, [narrow, width]],
      [`${prefix}self_attn.o_proj.weight`, [width, width]],
      [`${prefix}post_attention_layernorm.weight`, [width]],
      [`${prefix}mlp.gate_proj.weight`, [hidden, width]],
      [`${prefix}mlp.up_proj.weight`, [hidden, width]],
      [`${prefix}mlp.down_proj.weight`, [width, hidden]],
    );
  }
  tensors.push(['model.norm.weight', [width]]);
  return tensors;
}

export function parameterCount(shape: LlamaShape): number {
  return tensorsOf(shape).reduce((sum, [, dims]) => sum + dims.reduce((a, b) => a * b, 1), 0);
}

/** Writes config.json and model.safetensors once, in float32 or bfloat16. @returns the folder */
export function writeLlama(
  parent: string,
  shape: LlamaShape,
  dtype: 'F32' | 'BF16' = 'F32',
): string {
  const folder = join(parent, shape.name);
  if (existsSync(join(folder, 'config.json'))) return folder;
  mkdirSync(folder, { recursive: true });
  const tensors = tensorsOf(shape);
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, dims] of tensors) {
    const begin = end;
    end += (dtype === 'F32' ? 4 : 2) * dims.reduce((a, b) => a * b, 1);
    header[name] = { dtype, shape: dims, data_offsets: [begin, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((64 - ((json.length + 8) % 64)) % 64, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const descriptor = openSync(join(folder, 'model.safetensors'), 'w');
  writeSync(descriptor, Buffer.concat([length, padded]));
  const chunk = new Float32Array(CHUNK_ELEMENTS);
  let state = 0x2545f491;
  for (const [, dims] of tensors) {
    const count = dims.reduce((a, b) => a * b, 1);
    // Uniform with the variance of 1 / fan-in; gains are one.
    const scale = Math.sqrt(3 / (dims[1] ?? 1)) / 2 ** 31;
    for (let done = 0; done < count; done += CHUNK_ELEMENTS) {
      const size = Math.min(CHUNK_ELEMENTS, count - done);
      for (let i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        chunk[i] = dims.length === 1 ? 1 : state * scale;
      }
      writeSync(descriptor, bytesOf(chunk.subarray(0, size), dtype));
    }
  }
  closeSync(descriptor);
  const { layers, width, hidden, heads, keyValueHeads, vocabulary } = shape;
  const config = {
    model_type: 'llama',
    hidden_size: width,
    intermediate_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    vocab_size: vocabulary,
    max_position_embeddings: 2048,
    tie_word_embeddings: true,
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

function bytesOf(chunk: Float32Array, dtype: 'F32' | 'BF16'): Uint8Array {
  const words = new Uint32Array(chunk.buffer, 0, chunk.length);
  if (dtype === 'F32') return new Uint8Array(chunk.buffer, 0, chunk.byteLength);
  return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
}
