/**
 * Runs a target's stages in a child process and keeps what it said, whatever happens to it: a native crash
 * (SIGBUS from a file cut short under a mapping, SIGABRT, out of memory), a time limit or a kill becomes an error
 * in the result, never a lost report.
 */
import { fork } from 'node:child_process';
import { compiledEntry } from '../entry-point.ts';
import type { SerializedError } from '../errors.ts';
import type { FromChild, ToChild } from './child-messages.ts';
import type { StageOptions } from './run-stages.ts';
import type { CancelSignal, ProgressEvent, StageName, StageOutcome, Target } from './stage.ts';

export interface Supervised {
  readonly outcomes: readonly (readonly [StageName, StageOutcome])[];
  /** What ended the child before its work was done. */
  readonly error: SerializedError | undefined;
}

export interface SuperviseOptions extends StageOptions {
  readonly cancel: CancelSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Wall-clock limit, seconds. */
  readonly budgetSeconds?: number;
}

const POLL_MS = 50;
/** A cancelled child finishes its running batches first; after this long it is killed. */
const GRACE_MS = 30_000;

/** Environment variables that the engine or the runtime needs; nothing else reaches the child, secrets least of all. */
const PASSED_ENVIRONMENT =
  /^(PATH|HOME|TMPDIR|TEMP|TMP|LANG|LC_.*|TZ|NODE_EXTRA_CA_CERTS|SystemRoot|LOCALAPPDATA|APPDATA|XDG_.*|NARROWFIRE_.*|LD_LIBRARY_PATH|CUDA_.*|VK_.*|UV_THREADPOOL_SIZE)$/;

export function supervise(target: Target, options: SuperviseOptions): Promise<Supervised> {
  const { cancel, onProgress, budgetSeconds, ...stageOptions } = options;
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => PASSED_ENVIRONMENT.test(name)),
  );
  const child = fork(compiledEntry('scan/child'), [], {
    env,
    execArgv: [],
    serialization: 'advanced',
    // stdout belongs to reports; the child's own words, native ones included, must not mix with them.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const outcomes: [StageName, StageOutcome][] = [];
  let error: SerializedError | undefined;
  let done = false;
  const say = (message: ToChild) => {
    if (child.connected) child.send(message);
  };

  return new Promise((resolve) => {
    const started = performance.now();
    let cancelledAt: number | undefined;
    const watch = setInterval(() => {
      const now = performance.now();
      const late = budgetSeconds !== undefined && now - started > budgetSeconds * 1000;
      if (cancelledAt === undefined && (late || cancel.cancelled)) {
        cancelledAt = now;
        if (late)
          error ??= { code: 'E_TIMEOUT', message: `the budget of ${budgetSeconds} s is spent` };
        else error ??= { code: 'E_INTERRUPTED', message: 'the scan was interrupted' };
        say({ type: 'cancel' });
      }
      if (cancelledAt !== undefined && now - cancelledAt > GRACE_MS) child.kill('SIGKILL');
    }, POLL_MS);
    child.on('message', (message: FromChild) => {
      switch (message.type) {
        case 'progress':
          onProgress?.(message.event);
          break;
        case 'outcome':
          outcomes.push([message.stage, message.outcome]);
          break;
        case 'failed':
          error ??= message.error;
          done = true;
          child.disconnect();
          break;
        case 'done':
          done = true;
          child.disconnect();
          break;
      }
    });
    const finish = () => {
      clearInterval(watch);
      resolve({ outcomes, error });
    };
    child.on('error', (cause) => {
      error ??= { code: 'E_WORKER', message: `the scan process could not start: ${cause.message}` };
      finish();
    });
    child.on('exit', (code, signal) => {
      if (!done) {
        const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
        error ??= {
          code: 'E_WORKER',
          message: `the scan process ${how}`,
          file: target.given,
          hint: 'What it had found is reported; scan again, with more memory or a copy that nothing writes to.',
        };
      }
      finish();
    });
    say({ type: 'run', target, options: stageOptions });
  });
}
