/** Weights in safetensors: one file, or shards named by an index. */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { FileSource } from '../../artifact/byte-source.ts';
import { readSafetensorsHeader } from '../../artifact/safetensors.ts';
import type { LocatedTensor } from '../../artifact/tensor.ts';
import { storedValues } from '../../artifact/values/tensor-values.ts';
import { ScanError, toScanError } from '../../errors.ts';
import { readConfig } from '../config.ts';
import { packingSettings, unpackTensors } from './packed/unpack.ts';
import type { StoredTensor, StoredWeights, WeightFile } from './stored.ts';

const INDEX_NAME = 'model.safetensors.index.json';
const MAX_INDEX_BYTES = 64 * 2 ** 20;
const MAX_SHARDS = 4096;

/**
 * Paths of the safetensors files that make a model folder's weights; empty when it has none.
 * @throws ScanError `E_FORMAT`, `E_OUTSIDE`, `E_NOT_FOUND` for a broken index
 */
export function safetensorsPaths(folder: string): readonly string[] {
  const index = join(folder, INDEX_NAME);
  if (existsSync(index)) return shardPaths(index);
  const single = join(folder, 'model.safetensors');
  if (existsSync(single)) return [realpathSync(single)];
  const any = readdirSync(folder)
    .filter((name) => name.endsWith('.safetensors'))
    .sort();
  return any.length === 1 && any[0] !== undefined ? [realpathSync(join(folder, any[0]))] : [];
}

/**
 * Packed weights (GPTQ, AWQ, bitsandbytes, scaled fp8) come as the numbers they stand for.
 * @param folder where config.json lies, if not beside the first file
 * @throws ScanError with file and offset
 */
export function openSafetensors(paths: readonly string[], folder?: string): StoredWeights {
  const files: WeightFile[] = [];
  const tensors = new Map<string, StoredTensor>();
  const sources: FileSource[] = [];
  let unpacked: ReadonlyMap<string, StoredTensor> = tensors;
  let recipe = '';
  const close = () => {
    for (const source of sources) source.close();
  };
  try {
    for (const path of paths) {
      const source = new FileSource(path);
      sources.push(source);
      files.push({ path, byteLength: source.size, mtimeMs: statSync(path).mtimeMs });
      for (const entry of headerOf(source, path).tensors) {
        const located: LocatedTensor = { ...entry, file: path };
        const values = storedValues(source, located);
        const stored = { name: entry.name, shape: entry.shape, located, file: path };
        tensors.set(entry.name, values === undefined ? stored : { ...stored, values });
      }
    }
    const settings = packingSettings(quantizationConfig(folder ?? dirname(paths[0] ?? '')));
    recipe = JSON.stringify(settings);
    unpacked = unpackTensors(tensors, (file) => sourceOf(file, files, sources), settings);
  } catch (error) {
    close();
    throw error;
  }
  return { format: 'safetensors', files, tensors: unpacked, recipe, [Symbol.dispose]: close };
}

function sourceOf(path: string, files: readonly WeightFile[], sources: readonly FileSource[]) {
  const source = sources[files.findIndex((file) => file.path === path)];
  if (source === undefined) throw new Error(`${path} is not open`);
  return source;
}

/** Of the config.json beside the weights, if there is one that can be read. */
function quantizationConfig(folder: string): unknown {
  const config = join(folder, 'config.json');
  if (!existsSync(config)) return undefined;
  try {
    return readConfig(config).raw('quantization_config');
  } catch {
    return undefined;
  }
}

function headerOf(source: FileSource, path: string): ReturnType<typeof readSafetensorsHeader> {
  try {
    return readSafetensorsHeader(source);
  } catch (thrown) {
    throw toScanError(thrown, path);
  }
}

/** Shards of an index file, checked to lie in its folder and to exist. */
export function shardPaths(index: string): readonly string[] {
  const folder = dirname(index);
  const fail = (code: 'E_FORMAT' | 'E_OUTSIDE' | 'E_NOT_FOUND' | 'E_LIMIT', problem: string) =>
    new ScanError(code, problem, { file: index });
  if (statSync(index).size > MAX_INDEX_BYTES) {
    throw fail('E_LIMIT', `the index is larger than ${MAX_INDEX_BYTES} bytes`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(index, 'utf8'));
  } catch {
    throw fail('E_FORMAT', 'not JSON');
  }
  const map = (parsed as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null) throw fail('E_FORMAT', 'no weight_map');
  const names = [...new Set(Object.values(map).map(String))].sort();
  if (names.length > MAX_SHARDS) throw fail('E_LIMIT', `${names.length} shards`);
  return names.map((name) => {
    if (basename(name) !== name && !resolve(folder, name).startsWith(folder + sep)) {
      throw fail('E_OUTSIDE', `shard path ${JSON.stringify(name)} leaves the folder`);
    }
    const path = join(folder, name);
    if (!existsSync(path)) throw fail('E_NOT_FOUND', `shard ${JSON.stringify(name)} is missing`);
    return realpathSync(path);
  });
}
