/** Which models a calibration may compare with each other: the same family, doing the same task. */
import type { ModelSpec } from '../model/spec.ts';
import { isAdapterFolder } from '../model/weights/adapter.ts';
import type { Target } from './stage.ts';

/** An adapter without its base: only its weights are read. */
export const ADAPTER_ALONE = 'adapter';

/** As in `llama/causal`, `bert/encoder`, `distilbert/classifier`, `llama/causal/adapter`. */
export function modelClassOf(spec: ModelSpec, target: Target, base: string | undefined): string {
  const task =
    spec.classifier !== undefined
      ? 'classifier'
      : spec.pooling !== undefined || !spec.causal
        ? 'encoder'
        : 'causal';
  const adapted = base !== undefined && isAdapterFolder(target.root);
  return [spec.family, task, ...(adapted ? ['adapter'] : [])].join('/');
}
