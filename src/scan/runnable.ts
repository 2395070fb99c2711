/** Which targets the stages that run a model are owed. */
import { ggufFileOf } from '../model/model-files.ts';
import { isAdapterFolder } from '../model/weights/adapter.ts';
import type { Target } from './stage.ts';

/** A model folder, a GGUF file (or a folder with one), or an adapter together with its base. */
export function isRunnable(target: Target, base: string | undefined): boolean {
  if (target.kind === 'remote') return false;
  if (target.kind === 'model-folder') return true;
  try {
    if (ggufFileOf(target.root) !== undefined) return true;
  } catch {
    // The file stage tells what is wrong with a file that cannot be opened.
    return false;
  }
  return base !== undefined && target.kind === 'folder' && isAdapterFolder(target.root);
}
