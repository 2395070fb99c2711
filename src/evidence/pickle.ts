/** Facts of the pickle machine: what a pickle imports, calls and writes when it is loaded. */
import type { EvidenceBase } from './evidence.ts';

/** `gadget`: listed as dangerous. `unknown`: on no list. `code`: builds functions or code objects. `unresolved`: the callee's name could not be computed. */
export type CallableRating = 'gadget' | 'unknown' | 'code' | 'unresolved';

/** One callable of one pickle; repeats in the same pickle are counted, not listed. */
export interface PickleCall extends EvidenceBase<'pickle-call'> {
  readonly rating: CallableRating;
  /** Dotted name after indirection is undone, as in `os.system`. */
  readonly callable: string;
  /** False when the object is imported but never called. */
  readonly called: boolean;
  /** Opcode of the first call, or of the import. */
  readonly opcode: string;
  /** The call as Python would write it; escaped and cut at 200 characters. */
  readonly shown: string;
  /** Names that the callee went through, as in `operator.attrgetter`; empty for a plain import. */
  readonly via: readonly string[];
  readonly occurrences: number;
}

/** A write that changes something other than a plain container or a fresh instance. */
export interface PickleWrite extends EvidenceBase<'pickle-write'> {
  readonly write: 'attributes-of-import' | 'item-of-import' | 'item-of-instance' | 'item-of-value';
  readonly target: string;
  readonly opcode: string;
  readonly shown: string;
  readonly occurrences: number;
}

export type PickleAnomalyKind =
  | 'broken-after-calls'
  | 'persistent-id'
  | 'extension-code'
  | 'nested-pickle'
  | 'expansion'
  | 'memo-missing'
  | 'repeated-proto'
  | 'trailing-data'
  | 'storage-size';

/** Something odd in the stream itself. */
export interface PickleAnomaly extends EvidenceBase<'pickle-anomaly'> {
  readonly anomaly: PickleAnomalyKind;
  readonly detail: string;
  readonly occurrences: number;
}

export type PickleEvidence = PickleCall | PickleWrite | PickleAnomaly;
