/** Opens one weights file of any kind that holds tensors by name: safetensors, PyTorch, NumPy. */
import { ScanError } from '../../errors.ts';
import { openSafetensors } from '../../model/weights/safetensors-weights.ts';
import type { StoredTensor } from '../../model/weights/stored.ts';
import { openTorch } from '../../model/weights/torch-weights.ts';
import { openNpz } from './npz.ts';
import { TensorBag } from './tensors.ts';

interface OpenedTensors extends Disposable {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** Calls `use` while the file is open. */
export function withTensors<T>(file: string, use: (bag: TensorBag) => T): T {
  using opened = openTensors(file);
  return use(new TensorBag(opened.tensors, file));
}

function openTensors(file: string): OpenedTensors {
  if (file.endsWith('.safetensors')) return openSafetensors([file]);
  if (/\.(pt|pth)$/.test(file)) return openTorch([file]);
  if (file.endsWith('.npz')) return openNpz(file);
  throw new ScanError('E_SAE', 'no dictionary is kept in this kind of file', { file });
}
