/** Opens one weights file of any kind that holds tensors by name. */
import { ScanError } from '../../errors.ts';
import { openSafetensors } from '../../model/weights/safetensors-weights.ts';
import type { StoredWeights } from '../../model/weights/stored.ts';
import { TensorBag } from './tensors.ts';

/** Calls `use` while the file is open. */
export function withTensors<T>(file: string, use: (bag: TensorBag) => T): T {
  using weights = openTensors(file);
  return use(new TensorBag(weights, file));
}

function openTensors(file: string): StoredWeights {
  if (file.endsWith('.safetensors')) return openSafetensors([file]);
  throw new ScanError('E_SAE', 'dictionaries in this kind of file are not covered yet', {
    file,
    hint: 'Convert it to a SAELens folder.',
  });
}
