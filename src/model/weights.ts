/** The tensors of a model folder by name, wherever they lie: one file or shards. */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { FileSource } from '../artifact/byte-source.ts';
import { readSafetensorsHeader } from '../artifact/safetensors.ts';
import type { LocatedTensor } from '../artifact/tensor.ts';
import { ScanError, toScanError } from '../errors.ts';

export interface WeightFile {
  /** Absolute real path. */
  readonly path: string;
  readonly byteLength: number;
  readonly mtimeMs: number;
}

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

/**
 * @param folder model folder, or a single weights file
 * @throws ScanError with file and offset
 */
export function openWeights(folder: string): WeightSet {
  const files: WeightFile[] = [];
  const tensors = new Map<string, LocatedTensor>();
  for (const path of weightPaths(folder)) {
    using source = new FileSource(path);
    let header: ReturnType<typeof readSafetensorsHeader>;
    try {
      header = readSafetensorsHeader(source);
    } catch (thrown) {
      throw toScanError(thrown, path);
    }
    const stat = statSync(path);
    files.push({ path, byteLength: source.size, mtimeMs: stat.mtimeMs });
    for (const entry of header.tensors) tensors.set(entry.name, { ...entry, file: path });
  }
  return new WeightSet(files, tensors);
}

function weightPaths(folder: string): string[] {
  const real = realpathSync(folder);
  if (statSync(real).isFile()) return [real];
  const index = join(real, 'model.safetensors.index.json');
  if (existsSync(index)) return shardPaths(index);
  const single = join(real, 'model.safetensors');
  if (existsSync(single)) return [realpathSync(single)];
  const any = readdirSync(real)
    .filter((name) => name.endsWith('.safetensors'))
    .sort();
  if (any.length === 1 && any[0] !== undefined) return [realpathSync(join(real, any[0]))];
  throw new ScanError('E_NOT_FOUND', 'the folder holds no model.safetensors', { file: folder });
}

function shardPaths(index: string): string[] {
  const folder = dirname(index);
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(index, 'utf8'));
  } catch (cause) {
    throw new ScanError('E_FORMAT', 'not JSON', { file: index, cause });
  }
  const map = (parsed as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null) {
    throw new ScanError('E_FORMAT', 'no weight_map', { file: index });
  }
  const names = [...new Set(Object.values(map).map(String))].sort();
  return names.map((name) => {
    if (basename(name) !== name && !resolve(folder, name).startsWith(folder + sep)) {
      throw new ScanError('E_OUTSIDE', `shard path ${JSON.stringify(name)} leaves the folder`, {
        file: index,
      });
    }
    const path = join(folder, name);
    if (!existsSync(path)) {
      throw new ScanError('E_NOT_FOUND', `shard ${JSON.stringify(name)} is missing`, {
        file: index,
      });
    }
    return realpathSync(path);
  });
}
