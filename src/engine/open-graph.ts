/** Where graphs run: a session of this thread, or the engine's workers. Code that runs passes takes either. */
import type { LayerPlan } from '../model/layer-groups.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Engine } from './engine.ts';
import { type Device, type Feeds, type Outputs, Session } from './session.ts';

export interface OpenedGraph {
  run(feeds: Feeds): Promise<Outputs>;
  close(): Promise<void>;
}

export interface OpenGraph {
  (graph: Graph): Promise<OpenedGraph>;
  /** Threads that run side by side, each with the weights mapped for itself. */
  readonly lanes: number;
  /** Runs that may wait or be under way at once. */
  readonly inFlight: number;
  /** Bound on the process's resident memory, for the passes that can be cut. */
  readonly memoryBytes?: number;
  /** Told of each pass's plan before it runs. */
  readonly planned?: (plan: LayerPlan) => void;
}

/** Blocks this thread while a graph runs. */
export function onDevice(device: Device, memoryBytes?: number): OpenGraph {
  const open = (graph: Graph) => Session.open(graph, { device });
  const bound = memoryBytes === undefined ? {} : { memoryBytes };
  return Object.assign(open, { lanes: 1, inFlight: 1, ...bound });
}

export const openHere: OpenGraph = onDevice('cpu');

/** Spreads over the engine's workers when several runs are in flight. */
export function onEngine(engine: Engine): OpenGraph {
  const open = async (graph: Graph): Promise<OpenedGraph> => {
    const plan = engine.plan(graph);
    return { run: (feeds) => engine.run(plan, feeds), close: async () => {} };
  };
  const { workers: lanes, inFlight, memoryBytes, planned } = engine;
  const bound = memoryBytes === undefined ? {} : { memoryBytes };
  return Object.assign(open, { lanes, inFlight, ...bound, ...(planned && { planned }) });
}
