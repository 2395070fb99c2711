/** Mixtures of experts: a router and one gated MLP per expert. */
import type { ModelConfig } from '../config.ts';
import type { Activation, MoeMlpSpec } from '../spec.ts';
import type { TensorScope } from '../tensor-scope.ts';
import { gatedMlp } from './llama-like.ts';

const MAX_EXPERTS = 4096;

export interface ExpertOptions {
  readonly width: number;
  /** Hidden width of one expert. */
  readonly hidden: number;
  readonly activation: Activation;
  readonly normaliseChosen: boolean;
  readonly names: readonly [gate: string, up: string, down: string];
}

/** @param scope tensors of the mixture: `gate` and `experts.N` */
export function expertMlp(
  config: ModelConfig,
  scope: TensorScope,
  { width, hidden, activation, normaliseChosen, names }: ExpertOptions,
): MoeMlpSpec {
  const count = config.count(['num_local_experts', 'num_experts'], undefined, MAX_EXPERTS);
  const expertsPerToken = config.count(['num_experts_per_tok'], undefined, MAX_EXPERTS);
  if (expertsPerToken > count) {
    throw config.fail(`${expertsPerToken} experts a token out of ${count}`);
  }
  return {
    kind: 'experts',
    router: scope.linear('gate', count, width),
    experts: Array.from({ length: count }, (_, expert) =>
      gatedMlp(scope.at(`experts.${expert}`), width, hidden, { activation, names }),
    ),
    expertsPerToken,
    normaliseChosen,
  };
}
