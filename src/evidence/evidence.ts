/**
 * Evidence is what detectors measure: typed facts with numbers and places, never a judgement.
 * Rules (data in `rules/`) turn evidence into findings. Each stage has its own file beside this one;
 * this one holds what all of them share and the union.
 */
import type { BehaviourEvidence } from './behaviour.ts';
import type { CoverageGap } from './coverage.ts';
import type { EncoderEvidence } from './encoder.ts';
import type { FeatureEvidence } from './feature.ts';
import type { FileEvidence } from './file.ts';
import type { WeightEvidence } from './weight.ts';

/** Where in a file a fact stands. Offsets are absolute in the outermost file unless `member` is given. */
export interface Location {
  /** Path inside an archive; nested archives are joined with `!/`. Offsets then count inside the member. */
  readonly member?: string;
  readonly byteOffset?: number;
  readonly byteLength?: number;
  /** 1-based. */
  readonly line?: number;
  /** Tensor name. */
  readonly tensor?: string;
  /** JSON pointer, GGUF key, HDF5 path, or XML path. */
  readonly key?: string;
}

export interface EvidenceBase<Kind extends string> {
  /** Discriminates the union and is what a rule's `evidence:` names. */
  readonly kind: Kind;
  /** POSIX path relative to the parent of the scanned target, as in `model/pytorch_model.bin`. */
  readonly path: string;
  readonly location?: Location;
}

export type Evidence =
  | FileEvidence
  | WeightEvidence
  | FeatureEvidence
  | BehaviourEvidence
  | EncoderEvidence
  | CoverageGap;

/** A share of trials with its Wilson 95 % interval. */
export interface Rate {
  readonly hits: number;
  readonly trials: number;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
}

/** Something a stage could not look at. A verdict is never better than what it covers. */
export interface NotCovered {
  /** File, tensor, frame, position, length or stage. */
  readonly what: string;
  /** One sentence; starts with an error code where one applies. */
  readonly why: string;
}
