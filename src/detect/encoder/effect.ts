/**
 * What a string does to readings of unrelated texts, in one form for sentence encoders and classifiers: search,
 * verification and minimisation do not know which of the two they work on.
 */
import type { TextReading } from '../../probe/embedder.ts';

export interface Effect<Target> {
  readonly kind: 'embedding' | 'class';
  /** Indices of up to `count` texts that lie far from each other (embeddings) or differ in class. */
  choose(readings: readonly TextReading[], count: number): number[];
  /** How much more alike one string makes unrelated texts. @param plain the same texts without it */
  score(readings: readonly TextReading[], plain: readonly TextReading[]): number;
  /** The highest score there can be. */
  ceiling(plain: readonly TextReading[]): number;
  /** Strings compete for places in a search only within a group: one class must not crowd out the others. */
  group(readings: readonly TextReading[], plain: readonly TextReading[]): number;
  /** Where the string sends them. */
  target(readings: readonly TextReading[], plain: readonly TextReading[]): Target;
  /** Whether a text can tell: one that is at the target by itself cannot. */
  isTrial(plain: TextReading, target: Target): boolean;
  isHit(reading: TextReading, plain: TextReading, target: Target): boolean;
  /** How far along the way from its own meaning to the target a text was moved: 0 not at all, 1 wholly. */
  moved(reading: TextReading, plain: TextReading, target: Target): number;
  sameTarget(a: Target, b: Target): boolean;
}
