/** Piscina worker: keeps the sessions of recent plans and runs jobs one after the other. Started from `dist/`. */
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { type SerializedError, serializeError, toScanError } from '../errors.ts';
import type { EncodedGraph } from '../onnx/encode.ts';
import { type Feeds, type Outputs, Session, type SessionOptions } from './session.ts';

export interface Job {
  readonly plan: number;
  readonly graph: EncodedGraph;
  readonly options: SessionOptions;
  readonly feeds: Feeds;
  /** Close every other session that maps weights first: what bounds memory. */
  readonly alone: boolean;
}

export type JobResult =
  | { readonly ok: true; readonly outputs: Outputs; readonly cpuMicroseconds: number }
  | { readonly ok: false; readonly error: SerializedError };

/** Sessions own arenas and copies of small constants; more plans than this are never in use at once. */
const MAX_SESSIONS = 16;

interface Kept {
  readonly mapsFiles: boolean;
  readonly opening: Promise<Session>;
}

/** In order of last use. */
const sessions = new Map<number, Kept>();

/** piscina calls it by name; errors come back as data so that their code survives the thread border. */
export async function runJob(job: Job): Promise<JobResult> {
  try {
    const started = process.cpuUsage();
    const outputs = await (await sessionFor(job)).run(job.feeds);
    const used = process.cpuUsage(started);
    const result: JobResult = { ok: true, outputs, cpuMicroseconds: used.user + used.system };
    const buffers = Object.values(outputs).map((value) => value.data.buffer as ArrayBuffer);
    return move({
      [transferableSymbol]: buffers,
      [valueSymbol]: result,
    } as never) as unknown as JobResult;
  } catch (thrown) {
    return { ok: false, error: serializeError(toScanError(thrown)) };
  }
}

async function sessionFor({ plan, graph, options, alone }: Job): Promise<Session> {
  const { mapsFiles } = graph;
  const known = sessions.get(plan);
  sessions.delete(plan);
  if (alone && mapsFiles) {
    const others = [...sessions].filter(([, kept]) => kept.mapsFiles);
    for (const [number] of others) await close(number);
  }
  // The engine reads no shared memory.
  const opening = known?.opening ?? Session.open({ ...graph, model: graph.model.slice() }, options);
  sessions.set(plan, { mapsFiles, opening });
  if (sessions.size > MAX_SESSIONS) {
    const [oldest] = sessions.keys();
    if (oldest !== undefined) await close(oldest);
  }
  try {
    return await opening;
  } catch (thrown) {
    sessions.delete(plan);
    throw thrown;
  }
}

async function close(plan: number): Promise<void> {
  const closing = sessions.get(plan)?.opening;
  sessions.delete(plan);
  await (await closing)?.close();
}
