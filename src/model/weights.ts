/** The tensors of a model by name, wherever they lie, in the form that the engine maps: float32. */
import { realpathSync, statSync } from 'node:fs';
import { FileSource } from '../artifact/byte-source.ts';
import { recognise } from '../artifact/recognise.ts';
import type { LocatedTensor } from '../artifact/tensor.ts';
import { isLegacyCheckpoint } from '../artifact/torch/legacy.ts';
import { ScanError } from '../errors.ts';
import { ggufParts } from './gguf/parts.ts';
import { openGguf } from './gguf/weights.ts';
import { ggufFileOf } from './model-files.ts';
import { isAdapterFolder } from './weights/adapter.ts';
import { defaultCache, type FloatCache } from './weights/float-cache.ts';
import { locateFloats } from './weights/float-copy.ts';
import { openMerged } from './weights/merge.ts';
import { openSafetensors, safetensorsPaths } from './weights/safetensors-weights.ts';
import type { StoredWeights, WeightFile } from './weights/stored.ts';
import { openTorch, torchPaths } from './weights/torch-weights.ts';

export type { WeightFile } from './weights/stored.ts';

export class WeightSet {
  readonly files: readonly WeightFile[];
  readonly #tensors: ReadonlyMap<string, LocatedTensor>;

  constructor(files: readonly WeightFile[], tensors: ReadonlyMap<string, LocatedTensor>) {
    this.files = files;
    this.#tensors = tensors;
  }

  get names(): string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** @throws ScanError `E_TENSOR_MISSING`, or `E_TENSOR_SHAPE` when the shape is not the one wanted. */
  get(name: string, shape?: readonly number[]): LocatedTensor {
    const tensor = this.#tensors.get(name);
    const file = this.files[0]?.path;
    if (tensor === undefined) {
      throw new ScanError('E_TENSOR_MISSING', `tensor "${name}" is absent`, {
        ...(file !== undefined && { file }),
        hint: 'The weights do not fit config.json, or a shard is missing.',
      });
    }
    if (shape !== undefined && shape.join() !== tensor.shape.join()) {
      throw new ScanError(
        'E_TENSOR_SHAPE',
        `tensor "${name}" is [${tensor.shape}], config.json wants [${shape}]`,
        { file: tensor.file, byteOffset: tensor.byteOffset },
      );
    }
    return tensor;
  }

  /** @throws ScanError `E_CHANGED` when a file is not what it was when it was opened. */
  checkUnchanged(): void {
    for (const file of this.files) {
      const stat = statSync(file.path, { throwIfNoEntry: false });
      if (stat === undefined || stat.size !== file.byteLength || stat.mtimeMs !== file.mtimeMs) {
        throw new ScanError('E_CHANGED', 'the file changed while it was scanned', {
          file: file.path,
          hint: 'Scan a copy that nothing else writes to.',
        });
      }
    }
  }
}

/** Zip files under other names are archives of other things. */
const TORCH_EXTENSIONS = ['bin', 'pt', 'pth', 'ckpt'];

export interface OpenWeightsOptions {
  /** Where float32 copies of other number formats go. */
  readonly cache?: FloatCache;
  /** What an adapter is laid onto. */
  readonly base?: string;
}

/**
 * @param path model folder, or a single weights file
 * @throws ScanError with file and offset
 */
export function openWeights(path: string, options: OpenWeightsOptions = {}): WeightSet {
  using stored = openForRunning(path, options.base);
  return new WeightSet(stored.files, locateFloats(stored, options.cache ?? defaultCache()));
}

/** An adapter is merged onto its base; packed integers are unpacked. */
function openForRunning(path: string, base: string | undefined): StoredWeights {
  if (!isAdapterFolder(path)) return openStored(path);
  if (base !== undefined) return openMerged(path, openStored(base));
  throw new ScanError('E_MODEL_CONFIG', 'an adapter alone is no model', {
    file: path,
    hint: 'Name its base model with --base.',
  });
}

/**
 * The weights as they are stored, for reading as numbers; dispose after use.
 * @throws ScanError with file and offset
 */
export function openStored(path: string): StoredWeights {
  const real = realpathSync(path);
  const gguf = ggufFileOf(real);
  if (gguf !== undefined) return openGguf(ggufParts(gguf));
  const nothing = (problem: string) => new ScanError('E_NOTHING_TO_SCAN', problem, { file: path });
  if (statSync(real).isFile()) {
    const format = formatOf(real);
    if (format === 'safetensors') return openSafetensors([real]);
    if (format === 'torch') return openTorch([real]);
    throw nothing('the file holds no weights that can be read');
  }
  const shards = safetensorsPaths(real);
  if (shards.length > 0) return openSafetensors(shards, real);
  const checkpoints = torchPaths(real);
  if (checkpoints.length > 0) return openTorch(checkpoints);
  throw nothing('the folder holds no weights that can be read');
}

/** By content; a broken file that is called safetensors is read as such, so that its error is told. */
function formatOf(file: string): 'safetensors' | 'torch' | undefined {
  using source = new FileSource(file);
  const { format, extension } = recognise(source, file);
  if (format === 'safetensors' || extension === 'safetensors') return 'safetensors';
  const isCheckpoint =
    (format === 'zip' && TORCH_EXTENSIONS.includes(extension)) || isLegacyCheckpoint(source);
  return isCheckpoint ? 'torch' : undefined;
}
