/**
 * Runs a pass that reads text once, whole or group of layers by group of layers as its plan says: then each weight is
 * read once for a chunk of batches, and only one group's weights are resident.
 */
import type { Span } from '../model/graphs/activations.ts';
import type { LayerPlan } from '../model/layer-groups.ts';
import type { Graph } from '../onnx/graph.ts';
import { inOrder } from './in-order.ts';
import type { OpenGraph } from './open-graph.ts';
import { type Feeds, type FeedValue, f32Output, type Outputs } from './session.ts';

export interface TextPass {
  readonly plan: LayerPlan;
  /** Width of the stream. */
  readonly width: number;
  /** Graph of some blocks (`emitSpan`) and of what belongs to them; all read `ids` i64 [batch, length]. */
  graph(span: Span): Graph;
}

interface Batch {
  readonly feeds: Feeds;
  readonly index: number;
}

/**
 * @param batches of no more than the plan's `batchTokens`; feeds that a graph does not know are left out
 * @param receive gets each group's outputs, batch by batch in order within a group
 * @throws ScanError `E_ENGINE`, `E_DEVICE`, `E_INTERRUPTED`
 */
export async function runTextPass(
  pass: TextPass,
  open: OpenGraph,
  batches: Iterable<Feeds>,
  receive: (outputs: Outputs, batch: number) => void,
): Promise<void> {
  const { groups, chunkTokens } = pass.plan;
  open.planned?.(pass.plan);
  const [only] = groups;
  if (groups.length === 1 && only !== undefined) {
    await runGroup(pass, only, open, numbered(batches), new Map(), receive);
    return;
  }
  // A graph may carry a dictionary: it is made once, not once a chunk.
  const graphs = new Map<Span, Graph>();
  const kept: TextPass = {
    ...pass,
    graph: (span) => {
      const graph = graphs.get(span) ?? pass.graph(span);
      graphs.set(span, graph);
      return graph;
    },
  };
  for (const chunk of chunksOf(numbered(batches), chunkTokens)) {
    const states = new Map<number, Float32Array>();
    for (const span of groups) await runGroup(kept, span, open, chunk, states, receive);
  }
}

/** Takes each batch's stream out of `states` and puts the one after the group in. */
async function runGroup(
  pass: TextPass,
  span: Span,
  open: OpenGraph,
  batches: Iterable<Batch>,
  states: Map<number, Float32Array>,
  receive: (outputs: Outputs, batch: number) => void,
): Promise<void> {
  const graph = pass.graph(span);
  const known = new Set<string>(graph.inputs.map(({ name }) => name));
  const opened = await open(graph);
  const indices: number[] = [];
  const run = ({ feeds, index }: Batch) => {
    indices.push(index);
    const data = states.get(index);
    states.delete(index);
    const state: Record<string, FeedValue> =
      data === undefined
        ? {}
        : { state: { type: 'f32', data, dims: [data.length / pass.width, pass.width] } };
    const all = Object.entries({ ...feeds, ...state });
    return opened.run(Object.fromEntries(all.filter(([name]) => known.has(name))));
  };
  try {
    await inOrder(batches, run, open.inFlight, (outputs, number) => {
      const index = indices[number] ?? number;
      if (!span.last) states.set(index, f32Output(outputs, 'next_state'));
      receive(outputs, index);
    });
  } finally {
    await opened.close();
  }
}

function* numbered(batches: Iterable<Feeds>): Iterable<Batch> {
  let index = 0;
  for (const feeds of batches) yield { feeds, index: index++ };
}

function* chunksOf(batches: Iterable<Batch>, tokens: number): Iterable<Batch[]> {
  let chunk: Batch[] = [];
  let held = 0;
  for (const batch of batches) {
    const [rows = 0, length = 0] = batch.feeds['ids']?.dims ?? [];
    if (chunk.length > 0 && held + rows * length > tokens) {
      yield chunk;
      chunk = [];
      held = 0;
    }
    chunk.push(batch);
    held += rows * length;
  }
  if (chunk.length > 0) yield chunk;
}
