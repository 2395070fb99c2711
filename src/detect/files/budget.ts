/** Time and decompressed bytes that one outermost file, with all that is nested in it, may cost. */
import { ScanError } from '../../errors.ts';
import type { FileBudget } from './detector.ts';

export interface FileLimits {
  readonly maxMs: number;
  /** Sum of bytes that decompression may produce. */
  readonly maxProducedBytes: number;
  /** Containers inside containers. */
  readonly maxDepth: number;
  /** Nested sources in all. */
  readonly maxSources: number;
}

export const DEFAULT_LIMITS: FileLimits = {
  maxMs: 120_000,
  maxProducedBytes: 4 * 2 ** 30,
  maxDepth: 8,
  maxSources: 100_000,
};

export function createBudget(limits: FileLimits): FileBudget {
  const deadlineMs = performance.now() + limits.maxMs;
  let left = limits.maxProducedBytes;
  function check(): void {
    if (left < 0) {
      throw new ScanError(
        'E_LIMIT',
        `decompression would give more than ${limits.maxProducedBytes} bytes`,
      );
    }
    if (performance.now() > deadlineMs) {
      throw new ScanError('E_TIMEOUT', `the file took longer than ${limits.maxMs} ms`);
    }
  }
  return {
    deadlineMs,
    spend(bytes) {
      left -= bytes;
      check();
    },
    check,
  };
}
