/** Tells models by content where the name does not: what git stores as a pointer, and what starts like weights. */
import { MemorySource } from '../artifact/byte-source.ts';
import { extensionOf, recognise } from '../artifact/recognise.ts';
import { type Git, readBlob, readBlobs, type Tree } from './git.ts';
import { mayBePointer, parsePointer } from './lfs-pointer.ts';

const MODEL_FORMATS: ReadonlySet<string> = new Set(
  'safetensors gguf ggml pickle hdf5 npy onnx tflite'.split(' '),
);
/** Commonly in LFS and no models by name; they are counted, not fetched. */
const MEDIA =
  /^(png|jpe?g|gif|webp|bmp|svg|ico|mp[34]|m4[av]|mov|avi|mkv|webm|wav|flac|ogg|pdf|psd|ttf|otf|woff2?)$/;

export interface ContentTest {
  readonly looksLikeModel: (path: string) => boolean;
}

/** `readsContent`: also the bytes of files that git itself holds; for the few files of a pull request. */
export function contentTest(git: Git, tree: Tree, readsContent: boolean): ContentTest {
  const small = [...tree.entries.values()].filter(mayBePointer);
  const blobs = readBlobs(git, [...new Set(small.map(({ blob }) => blob))]);
  const pointers = new Set(
    small
      .filter(({ blob }) => parsePointer(blobs.get(blob) ?? new Uint8Array()) !== undefined)
      .map(({ path }) => path),
  );
  return {
    looksLikeModel: (path) => {
      if (pointers.has(path)) return !MEDIA.test(extensionOf(path));
      const entry = tree.entries.get(path);
      if (!readsContent || entry === undefined || !entry.mode.startsWith('100')) return false;
      const bytes = readBlob(git, entry.blob);
      const { format, also } = recognise(new MemorySource(bytes, path), path);
      const holdsPickle = format === 'zip' && bytes.includes('data.pkl');
      return holdsPickle || [format, ...also].some((one) => MODEL_FORMATS.has(one));
    },
  };
}
