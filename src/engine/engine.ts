/**
 * Runs graphs on a pool of worker threads, one intra-op thread each: on a CPU, N workers of one thread cost
 * less than one session of N threads (reference measurements in docs/benchmarks.md).
 *
 * A running job is never aborted: ONNX Runtime aborts the whole process when its thread is terminated inside a
 * run. Cancelling means that no further job is handed out; jobs are sized to stay near a second.
 */
import { Piscina } from 'piscina';
import { deserializeError, ScanError } from '../errors.ts';
import { type EncodedGraph, encodeGraph } from '../onnx/encode.ts';
import type { Graph } from '../onnx/graph.ts';
import { compiledEntry } from './entry-point.ts';
import type { Device, Feeds, Outputs, SessionOptions } from './session.ts';
import type { Job, JobResult } from './worker.ts';

export interface CancelSignal {
  readonly cancelled: boolean;
}

export interface EngineOptions {
  readonly workers: number;
  readonly device?: Device;
  readonly cancel?: CancelSignal;
}

/** A graph that the engine's workers can run; sessions are opened where and when they are needed. */
export interface Plan {
  readonly number: number;
  readonly graph: EncodedGraph;
}

export class Engine implements AsyncDisposable {
  readonly workers: number;
  readonly device: Device;
  /** CPU time spent inside sessions, microseconds. */
  cpuMicroseconds = 0;
  readonly #pool: Piscina;
  readonly #cancel: CancelSignal;
  #plans = 0;

  constructor(options: EngineOptions) {
    this.workers = options.workers;
    this.device = options.device ?? 'cpu';
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

  plan(graph: Graph): Plan {
    return { number: this.#plans++, graph: encodeGraph(graph) };
  }

  /** @throws ScanError `E_INTERRUPTED` after cancellation, `E_ENGINE`, `E_DEVICE`, `E_WORKER` */
  async run(plan: Plan, feeds: Feeds): Promise<Outputs> {
    if (this.#cancel.cancelled) throw new ScanError('E_INTERRUPTED', 'the scan was cancelled');
    const options: SessionOptions = { device: this.device };
    const job: Job = { plan: plan.number, graph: plan.graph, options, feeds };
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

  /**
   * Runs jobs with bounded look-ahead, so that a long list of feeds is never in memory at once.
   * Results arrive at `receive` in the order of the jobs.
   */
  async runAll(
    plan: Plan,
    jobs: Iterable<Feeds>,
    receive: (outputs: Outputs, index: number) => void,
  ): Promise<void> {
    const waiting: Promise<Outputs>[] = [];
    let received = 0;
    try {
      for (const feeds of jobs) {
        const running = this.run(plan, feeds);
        // It may fail while an earlier one is still awaited; a rejection that nobody awaits yet would end the process.
        running.catch(() => undefined);
        waiting.push(running);
        if (waiting.length > this.workers + 1) {
          receive(await (waiting.shift() as Promise<Outputs>), received++);
        }
      }
      while (waiting.length > 0) {
        receive(await (waiting.shift() as Promise<Outputs>), received++);
      }
    } finally {
      // After a failure the others still run to their end: nothing may be left in flight.
      await Promise.allSettled(waiting);
    }
  }

  /** Waits for running jobs, then ends the threads. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
