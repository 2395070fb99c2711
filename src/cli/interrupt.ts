/** Cancels between batches on the first interrupt; the second ends the process at once. */
import { EXIT } from '../finding/exit-code.ts';

export interface InterruptWatch {
  readonly signal: { cancelled: boolean };
  stop(): void;
}

export function watchInterrupt(): InterruptWatch {
  const signal = { cancelled: false };
  const onInterrupt = () => {
    if (signal.cancelled) process.exit(EXIT.interrupted);
    signal.cancelled = true;
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onInterrupt);
  const stop = () => {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  };
  return { signal, stop };
}
