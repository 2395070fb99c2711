/** Where graphs run: a session of this thread, or the engine's workers. Everything in this folder takes either. */
import type { Engine } from '../engine/engine.ts';
import { type Device, type Feeds, type Outputs, Session } from '../engine/session.ts';
import type { Graph } from '../onnx/graph.ts';

export interface OpenedGraph {
  run(feeds: Feeds): Promise<Outputs>;
  close(): Promise<void>;
}

export type OpenGraph = (graph: Graph) => Promise<OpenedGraph>;

/** Blocks this thread while a graph runs. */
export function onDevice(device: Device): OpenGraph {
  return (graph) => Session.open(graph, { device });
}

export const openHere: OpenGraph = onDevice('cpu');

/** Spreads over the engine's workers when several runs are in flight. */
export function onEngine(engine: Engine): OpenGraph {
  return async (graph) => {
    const plan = engine.plan(graph);
    return { run: (feeds) => engine.run(plan, feeds), close: async () => {} };
  };
}
