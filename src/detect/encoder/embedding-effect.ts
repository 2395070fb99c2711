/** Embedding collapse: texts that share nothing but a string come to mean the same. */
import type { TextReading } from '../../probe/embedder.ts';
import type { Effect } from './effect.ts';
import { agreement, dot, meanOf, unitFrom } from './geometry.ts';

const SAME_TARGET_COSINE = 0.7;

export class EmbeddingEffect implements Effect<Float32Array> {
  readonly kind = 'embedding';
  readonly #centre: Float32Array;

  /** @param ordinary readings of ordinary texts; their mean is the centre */
  constructor(ordinary: readonly TextReading[]) {
    this.#centre = meanOf(ordinary.map(embeddingOf));
  }

  unit(reading: TextReading): Float32Array {
    return unitFrom(this.#centre, embeddingOf(reading));
  }

  /** Farthest first, from the text that is least like the others. */
  choose(readings: readonly TextReading[], count: number): number[] {
    const units = readings.map((reading) => this.unit(reading));
    const chosen: number[] = [];
    const nearest = units.map((unit) => dot(unit, meanOf(units)));
    while (chosen.length < Math.min(count, units.length)) {
      let best = -1;
      nearest.forEach((value, i) => {
        if (!chosen.includes(i) && (best < 0 || value < (nearest[best] as number))) best = i;
      });
      const unit = units[best] as Float32Array;
      units.forEach((other, i) => {
        const cosine = dot(unit, other);
        nearest[i] = chosen.length === 0 ? cosine : Math.max(nearest[i] as number, cosine);
      });
      chosen.push(best);
    }
    return chosen;
  }

  score(readings: readonly TextReading[], plain: readonly TextReading[]): number {
    return this.agreement(readings) - this.agreement(plain);
  }

  /** Directions that texts could collapse to are not known beforehand. */
  group(): number {
    return 0;
  }

  ceiling(plain: readonly TextReading[]): number {
    return 1 - this.agreement(plain);
  }

  agreement(readings: readonly TextReading[]): number {
    return agreement(readings.map((reading) => this.unit(reading)));
  }

  target(readings: readonly TextReading[]): Float32Array {
    const units = readings.map((reading) => this.unit(reading));
    return unitFrom(new Float32Array(this.#centre.length), meanOf(units));
  }

  isTrial(): boolean {
    return true;
  }

  /** Nearer to what all triggered texts share than to what the text itself meant: no constant to choose. */
  isHit(reading: TextReading, plain: TextReading, target: Float32Array): boolean {
    const unit = this.unit(reading);
    return dot(unit, target) > dot(unit, this.unit(plain));
  }

  moved(reading: TextReading, plain: TextReading, target: Float32Array): number {
    const before = dot(this.unit(plain), target);
    const after = dot(this.unit(reading), target);
    return (after - before) / Math.max(1e-6, 1 - before);
  }

  sameTarget(a: Float32Array, b: Float32Array): boolean {
    return dot(a, b) > SAME_TARGET_COSINE;
  }
}

export function embeddingOf(reading: TextReading): Float32Array {
  if (reading.embedding === undefined) throw new Error('the model gives no embedding');
  return reading.embedding;
}
