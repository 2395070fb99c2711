/** All families of dictionary files, and how a path becomes dictionaries. */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { ScanError, toScanError } from '../../errors.ts';
import type { Dictionary } from '../dictionary.ts';
import { crossLayerTranscoder, perLayerTranscoder } from './circuit-tracer.ts';
import type { SaeFormat } from './format.ts';
import { gemmaScope1, gemmaScope2 } from './gemma-scope.ts';
import { llamaScope1, openMoss } from './openmoss.ts';
import { saeLens } from './saelens.ts';
import { sparsify } from './sparsify.ts';
import { dictionaryLearning, namedTensors } from './torch-families.ts';

/** In order: the first that matches reads the file. */
const FORMATS: readonly SaeFormat[] = [
  saeLens,
  openMoss,
  llamaScope1,
  sparsify,
  gemmaScope1,
  gemmaScope2,
  perLayerTranscoder,
  crossLayerTranscoder,
  dictionaryLearning,
  namedTensors,
];

export const SAE_FORMATS: readonly string[] = FORMATS.map(({ name }) => name);

const MAX_DEPTH = 6;
const MAX_ENTRIES = 100_000;

export interface FoundDictionary {
  /** Absolute path of the weights file, under its own name. */
  readonly file: string;
  readonly format: SaeFormat;
  /** Relative to the path that was asked for. */
  readonly label: string;
}

/**
 * Dictionaries under a path, sorted by label. Links that leave the folder are not followed.
 * @throws ScanError `E_NOT_FOUND`, `E_LIMIT`
 */
export function findDictionaries(path: string): FoundDictionary[] {
  if (!existsSync(path)) {
    throw new ScanError('E_NOT_FOUND', 'no such file or folder', { file: path });
  }
  const isFile = statSync(path).isFile();
  // A linked file keeps its own name: the formats go by names, and caches link to blobs named by hash.
  const root = isFile ? resolve(path) : realpathSync(path);
  const files = isFile ? [root] : filesUnder(root);
  const found: FoundDictionary[] = [];
  for (const file of files) {
    const format = FORMATS.find((candidate) => candidate.matches(file));
    if (format === undefined) continue;
    found.push({ file, format, label: isFile ? '.' : relative(root, file).split(sep).join('/') });
  }
  return found.sort((a, b) => (a.label < b.label ? -1 : 1));
}

function filesUnder(root: string): string[] {
  const files: string[] = [];
  let seen = 0;
  const walk = (folder: string, depth: number): void => {
    if (depth > MAX_DEPTH) return;
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (++seen > MAX_ENTRIES) {
        throw new ScanError('E_LIMIT', `more than ${MAX_ENTRIES} files`, { file: root });
      }
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path, depth + 1);
      else if (entry.isFile()) files.push(path);
      else if (entry.isSymbolicLink()) addLink(path);
    }
  };
  const allowed = [root, blobStore(root)].filter((folder) => folder !== undefined);
  const addLink = (path: string): void => {
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return;
    const target = realpathSync(path);
    if (allowed.some((folder) => target.startsWith(folder + sep))) files.push(path);
  };
  walk(root, 0);
  return files;
}

/** In the Hugging Face cache, files of `snapshots/<revision>` are links into `blobs` of the same repository. */
function blobStore(root: string): string | undefined {
  const parts = root.split(sep);
  const at = parts.lastIndexOf('snapshots');
  return at < 0 ? undefined : [...parts.slice(0, at), 'blobs'].join(sep);
}

/** @throws ScanError with the file */
export function loadFound(found: FoundDictionary): Dictionary {
  try {
    return found.format.load(found.file);
  } catch (thrown) {
    throw toScanError(thrown, found.file);
  }
}

/**
 * The one dictionary at a path.
 * @throws ScanError `E_SAE` when there is none or several
 */
export function loadSae(path: string): Dictionary {
  const found = findDictionaries(path);
  const [only] = found;
  if (only === undefined) {
    throw new ScanError('E_SAE', 'no sparse autoencoder is here', { file: path });
  }
  if (found.length > 1) {
    const labels = found.map(({ label }) => label);
    throw new ScanError('E_SAE', `${found.length} sparse autoencoders are here`, {
      file: path,
      hint: `Name one: ${labels.slice(0, 5).join(', ')}${labels.length > 5 ? ', …' : ''}.`,
    });
  }
  return loadFound(only);
}
