/** Entry of the scan's child process: it owns the worker pool, so a native crash ends it and not the report. */
import { serializeError, toScanError } from '../errors.ts';
import type { FromChild, ToChild } from './child-messages.ts';
import { runStages } from './run-stages.ts';

const cancel = { cancelled: false };

function send(message: FromChild): void {
  process.send?.(message);
}

async function run(message: Extract<ToChild, { type: 'run' }>): Promise<void> {
  try {
    await runStages(message.target, message.options, {
      cancel,
      onProgress: (event) => send({ type: 'progress', event }),
      receive: (stage, outcome) => send({ type: 'outcome', stage, outcome }),
    });
    send({ type: 'done' });
  } catch (thrown) {
    send({ type: 'failed', error: serializeError(toScanError(thrown, message.target.given)) });
  }
}

process.on('message', (message: ToChild) => {
  if (message.type === 'cancel') cancel.cancelled = true;
  else void run(message);
});
// The terminal sends an interrupt to the whole group; the parent decides what it means.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
