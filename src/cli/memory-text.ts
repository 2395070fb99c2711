/** What a plan needs of memory, for people. */
import type { LayerPlan } from '../model/layer-groups.ts';

export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}

export function planText({ groups, peakBytes }: Pick<LayerPlan, 'groups' | 'peakBytes'>): string {
  const count = groups.length === 1 ? '1 group' : `${groups.length} groups`;
  return `memory: at most ${megabytes(peakBytes)}, in ${count} of layers`;
}
