/**
 * What every stage of a scan gets and gives. A stage never throws for bad input: it returns what it found,
 * and lists what it could not look at.
 */

import type { SerializedError } from '../errors.ts';
import type { Evidence, NotCovered } from '../evidence/evidence.ts';
import type { ArtifactFile, MemoryStatement } from '../finding/finding.ts';

export type StageName = 'files' | 'weights' | 'features' | 'candidates' | 'verify' | 'decide';
export type Profile = 'files' | 'quick' | 'standard' | 'deep';

/** A model folder, a single artifact file, or a remote repository. */
export interface Target {
  /** As the user typed it. */
  readonly given: string;
  /** Absolute real path (local targets). */
  readonly root: string;
  /** Name of the target itself: the first segment of every `path` in evidence and findings. */
  readonly name: string;
  readonly kind: 'model-folder' | 'folder' | 'file' | 'remote';
}

export interface StageOutcome {
  readonly evidence: readonly Evidence[];
  readonly notCovered: readonly NotCovered[];
  readonly errors: readonly SerializedError[];
  /** Model tokens processed. */
  readonly tokens: number;
  /** The target's files (files stage), with digests as far as they were read whole. */
  readonly files?: readonly ArtifactFile[];
  /** Where the model ran, if it ran. */
  readonly device?: string;
  /** Stated before the run where a bound on memory was given. */
  readonly memory?: MemoryStatement;
  /** Family and task, as in `llama/causal`: models that can be compared with each other. */
  readonly modelClass?: string;
  /** Highest value of a statistic over all that was measured, reported as evidence or not: `kind.field`. */
  readonly best?: Readonly<Record<string, number>>;
}

export interface ProgressEvent {
  readonly target: string;
  readonly stage: StageName;
  /** What is being done, in a few words. */
  readonly label: string;
  readonly done: number;
  readonly total: number;
  /** Unit of `done` and `total`, as in `tokens`, `files`. */
  readonly unit: string;
}

/** Polled between batches; engine tasks are never aborted while they run. */
export type { CancelSignal } from '../engine/engine.ts';
