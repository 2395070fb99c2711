/** What a family file provides. A new architecture is one file here and one line in `registry.ts`. */
import type { ModelConfig } from '../config.ts';
import type { ModelSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';

export interface Family {
  /** `model_type` values that it reads. */
  readonly modelTypes: readonly string[];
  /** @throws ScanError `E_MODEL_CONFIG`, `E_TENSOR_MISSING`, `E_TENSOR_SHAPE` */
  describe(config: ModelConfig, tensors: TensorScope): ModelSpec;
}
