/**
 * Runs graphs on a pool of worker threads, one intra-op thread each: on a CPU, N workers of one thread cost
 * less than one session of N threads (reference measurements in docs/benchmarks.md).
 *
 * A running job is never aborted: ONNX Runtime aborts the whole process when its thread is terminated inside a
 * run. Cancelling means that no further job is handed out; jobs are sized to stay near a second.
 */
import { Piscina } from 'piscina';
import { compiledEntry } from '../entry-point.ts';
import { deserializeError, ScanError } from '../errors.ts';
import type { LayerPlan } from '../model/layer-groups.ts';
import { type EncodedGraph, encodeGraph } from '../onnx/encode.ts';
import type { Graph } from '../onnx/graph.ts';
import { inOrder } from './in-order.ts';
import type { Device, Feeds, Outputs, SessionOptions } from './session.ts';
import type { Job, JobResult } from './worker.ts';

export interface CancelSignal {
  readonly cancelled: boolean;
}

export interface EngineOptions {
  readonly workers: number;
  readonly device?: Device;
  readonly cancel?: CancelSignal;
  /** Bound on the process's resident memory: a worker then keeps one model graph open, not several. */
  readonly memoryBytes?: number;
  /** Told of the plan of each pass over text before it runs. */
  readonly planned?: (plan: LayerPlan) => void;
}

/** A graph that the engine's workers can run; sessions are opened where and when they are needed. */
export interface Plan {
  readonly number: number;
  /** Its bytes are shared with the workers: a graph may carry a dictionary, and goes along with every job. */
  readonly graph: EncodedGraph;
}

export class Engine implements AsyncDisposable {
  readonly workers: number;
  readonly device: Device;
  readonly memoryBytes: number | undefined;
  readonly planned: EngineOptions['planned'];
  /** CPU time spent inside sessions, microseconds. */
  cpuMicroseconds = 0;
  readonly #pool: Piscina;
  readonly #cancel: CancelSignal;
  readonly #plans = new WeakMap<Graph, Plan>();
  #planned = 0;

  constructor(options: EngineOptions) {
    this.workers = options.workers;
    this.device = options.device ?? 'cpu';
    this.memoryBytes = options.memoryBytes;
    this.planned = options.planned;
    this.#cancel = options.cancel ?? { cancelled: false };
    this.#pool = new Piscina({
      filename: compiledEntry('engine/worker'),
      name: 'runJob',
      minThreads: options.workers,
      maxThreads: options.workers,
      idleTimeout: 60_000,
      concurrentTasksPerWorker: 1,
    });
  }

  /** Jobs under way or waiting at once in `runAll`: enough that no worker waits for its next one. */
  get inFlight(): number {
    return this.workers + 2;
  }

  /** The same graph gives the same plan, and so the same sessions. */
  plan(graph: Graph): Plan {
    const known = this.#plans.get(graph);
    if (known !== undefined) return known;
    const encoded = encodeGraph(graph);
    const model = new Uint8Array(new SharedArrayBuffer(encoded.model.byteLength));
    model.set(encoded.model);
    const plan = { number: this.#planned++, graph: { ...encoded, model } };
    this.#plans.set(graph, plan);
    return plan;
  }

  /** @throws ScanError `E_INTERRUPTED` after cancellation, `E_ENGINE`, `E_DEVICE`, `E_WORKER` */
  async run(plan: Plan, feeds: Feeds): Promise<Outputs> {
    if (this.#cancel.cancelled) throw new ScanError('E_INTERRUPTED', 'the scan was cancelled');
    const options: SessionOptions = { device: this.device };
    const alone = this.memoryBytes !== undefined;
    const job: Job = { plan: plan.number, graph: plan.graph, options, feeds, alone };
    let result: JobResult;
    try {
      result = await this.#pool.run(job);
    } catch (cause) {
      throw new ScanError('E_WORKER', `a worker thread died: ${String(cause)}`, { cause });
    }
    if (!result.ok) throw deserializeError(result.error);
    this.cpuMicroseconds += result.cpuMicroseconds;
    return result.outputs;
  }

  /** Results arrive at `receive` in the order of the jobs; the list of jobs is never in memory at once. */
  runAll(
    plan: Plan,
    jobs: Iterable<Feeds>,
    receive: (outputs: Outputs, index: number) => void,
  ): Promise<void> {
    return inOrder(jobs, (feeds) => this.run(plan, feeds), this.inFlight, receive);
  }

  /** Waits for running jobs, then ends the threads. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
