/** Weights in PyTorch checkpoints: `pytorch_model.bin`, its shards, or a single .bin or .pt file. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FileSource } from '../../artifact/byte-source.ts';
import type { LocatedTensor } from '../../artifact/tensor.ts';
import { readTorchCheckpoint } from '../../artifact/torch/checkpoint.ts';
import { storedValues } from '../../artifact/values/tensor-values.ts';
import { transposed } from '../../artifact/values/transforms.ts';
import { toScanError } from '../../errors.ts';
import { shardPaths } from './safetensors-weights.ts';
import type { StoredTensor, StoredWeights, WeightFile } from './stored.ts';

const SINGLE = ['pytorch_model.bin', 'adapter_model.bin', 'model.pt', 'pytorch_model.pt'];

/** Paths of the checkpoint files of a folder; empty when it has none. */
export function torchPaths(folder: string): readonly string[] {
  const index = join(folder, 'pytorch_model.bin.index.json');
  if (existsSync(index)) return shardPaths(index);
  const name = SINGLE.find((candidate) => existsSync(join(folder, candidate)));
  return name === undefined ? [] : [realpathSync(join(folder, name))];
}

/** @throws ScanError with file and offset */
export function openTorch(paths: readonly string[]): StoredWeights {
  const files: WeightFile[] = [];
  const tensors = new Map<string, StoredTensor>();
  const sources: FileSource[] = [];
  const close = () => {
    for (const source of sources) source.close();
  };
  try {
    for (const path of paths) {
      const source = new FileSource(path);
      sources.push(source);
      files.push({ path, byteLength: source.size, mtimeMs: statSync(path).mtimeMs });
      readInto(tensors, source, path);
    }
  } catch (error) {
    close();
    throw error;
  }
  return { format: 'torch', files, tensors, recipe: '', [Symbol.dispose]: close };
}

function readInto(tensors: Map<string, StoredTensor>, source: FileSource, path: string): void {
  let checkpoint: ReturnType<typeof readTorchCheckpoint>;
  try {
    checkpoint = readTorchCheckpoint(source);
  } catch (thrown) {
    throw toScanError(thrown, path);
  }
  for (const { name, why } of checkpoint.unread) {
    tensors.set(name, { name, shape: [], file: path, unread: why });
  }
  for (const { transposed: turned, ...entry } of checkpoint.tensors) {
    const { name, shape } = entry;
    if (!turned) {
      const located: LocatedTensor = { ...entry, file: path };
      const values = storedValues(source, located);
      const stored = { name, shape, located, file: path };
      tensors.set(name, values === undefined ? stored : { ...stored, values });
      continue;
    }
    const located: LocatedTensor = { ...entry, shape: shape.toReversed(), file: path };
    const values = storedValues(source, located);
    if (values === undefined)
      tensors.set(name, { name, shape, file: path, unread: 'its integers are stored transposed' });
    else tensors.set(name, { name, shape, values: transposed(values), file: path });
  }
}
