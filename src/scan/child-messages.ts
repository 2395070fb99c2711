/** What the scan and its child process say to each other. */
import type { SerializedError } from '../errors.ts';
import type { StageOptions } from './run-stages.ts';
import type { ProgressEvent, StageName, StageOutcome, Target } from './stage.ts';

export type ToChild =
  | { readonly type: 'run'; readonly target: Target; readonly options: StageOptions }
  | { readonly type: 'cancel' };

export type FromChild =
  | { readonly type: 'progress'; readonly event: ProgressEvent }
  | { readonly type: 'outcome'; readonly stage: StageName; readonly outcome: StageOutcome }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly error: SerializedError };
