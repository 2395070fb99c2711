/**
 * Runs a pass over many batches group of layers by group of layers: each weight is read from disk once a pass, and
 * only one group's weights are resident.
 */
import {
  activationsGraph,
  type Site,
  type Span,
  siteName,
  spanHolds,
} from '../model/graphs/activations.ts';
import type { LayerPlan } from '../model/layer-groups.ts';
import type { ModelSpec } from '../model/spec.ts';
import { type Device, f32Output, ids as feed, floats, Session } from './session.ts';

export interface TokenBatch {
  /** [batch, length], flattened. */
  readonly ids: readonly number[];
  readonly dims: readonly [batch: number, length: number];
  /** Real tokens of each row; needed where rows are padded on the right. */
  readonly lengths?: readonly number[];
}

export interface LayerRunOptions {
  readonly sites: readonly Site[];
  readonly logits: boolean;
  readonly device: Device;
  /** Called with every site's values and the logits, [rows, width], batch by batch within each group. */
  readonly receive: (name: string, data: Float32Array, batch: number) => void;
}

/** @throws ScanError `E_ENGINE`, `E_DEVICE`, and `E_USAGE` for a site that the model does not have */
export async function runLayerGroups(
  spec: ModelSpec,
  plan: LayerPlan,
  batches: readonly TokenBatch[],
  options: LayerRunOptions,
): Promise<void> {
  let states: (Float32Array | undefined)[] = batches.map(() => undefined);
  for (const span of plan.groups) {
    states = await runGroup(spec, span, batches, states, options);
  }
}

async function runGroup(
  spec: ModelSpec,
  span: Span,
  batches: readonly TokenBatch[],
  states: readonly (Float32Array | undefined)[],
  { sites, logits, device, receive }: LayerRunOptions,
): Promise<(Float32Array | undefined)[]> {
  const last = span.end === spec.blocks.length;
  const here = sites.filter((site) => spanHolds(spec, span, site));
  const padded = batches.some(({ lengths }) => lengths !== undefined);
  const graph = activationsGraph(spec, here, {
    logits: logits && last,
    positions: Math.max(1, ...batches.map(({ dims }) => dims[1])),
    padded,
    span,
  });
  const session = await Session.open(graph, { device });
  const next: (Float32Array | undefined)[] = [];
  try {
    for (const [number, { ids, dims, lengths }] of batches.entries()) {
      const state = states[number];
      const outputs = await session.run({
        ids: feed(ids, dims),
        ...(padded && { lengths: feed(lengths ?? Array(dims[0]).fill(dims[1]), [dims[0]]) }),
        ...(state !== undefined && { state: floats(state, [dims[0] * dims[1], spec.width]) }),
      });
      for (const name of [...here.map(siteName), ...(logits && last ? ['logits'] : [])]) {
        receive(name, f32Output(outputs, name), number);
      }
      next.push(last ? undefined : f32Output(outputs, 'next_state'));
    }
  } finally {
    await session.close();
  }
  return next;
}
