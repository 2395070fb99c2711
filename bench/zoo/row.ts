/** One scanned model of a labelled set, as `bench:zoo` stores it. */
import type { VerifiedTrigger } from '../../src/evidence/behaviour.ts';
import type { Label, Recovery } from './labels.ts';

export interface ZooRow {
  readonly set: string;
  readonly name: string;
  readonly label: Label;
  readonly mode: string;
  readonly profile: string;
  readonly level: 'error' | 'warning' | 'note' | 'none';
  /** Best score of a string that passed as backdoored, else the best of any up to the score of a hit, nats. */
  readonly score: number;
  readonly facts: readonly VerifiedTrigger[];
  readonly recovery: Recovery;
  readonly behaviour: boolean;
  readonly sources: Readonly<Record<string, number>>;
  readonly referenceGap: number;
  readonly tokens: number;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
}
