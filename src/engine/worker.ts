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
}

export type JobResult =
  | { readonly ok: true; readonly outputs: Outputs; readonly cpuMicroseconds: number }
  | { readonly ok: false; readonly error: SerializedError };

/** Sessions own arenas and copies of small constants; more plans than this are never in use at once. */
const MAX_SESSIONS = 16;

/** In order of last use. */
const sessions = new Map<number, Promise<Session>>();

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

async function sessionFor({ plan, graph, options }: Job): Promise<Session> {
  const known = sessions.get(plan);
  sessions.delete(plan);
  const opening = known ?? Session.open(graph, options);
  sessions.set(plan, opening);
  if (sessions.size > MAX_SESSIONS) {
    const [oldest] = sessions.keys();
    if (oldest !== undefined) {
      const closing = sessions.get(oldest);
      sessions.delete(oldest);
      await (await closing)?.close();
    }
  }
  try {
    return await opening;
  } catch (thrown) {
    sessions.delete(plan);
    throw thrown;
  }
}
