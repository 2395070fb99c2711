/** Random streams by name: the same seed and label give the same numbers, whatever else was drawn before. */
import { Random } from '../random.ts';

const LARGEST_BELOW_ONE = 1 - 2 ** -24;

export class RandomStream extends Random {
  constructor(seed: number, label: string) {
    let hash = 0x811c9dc5 ^ seed;
    for (let i = 0; i < label.length; i++) {
      hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
    }
    super(hash);
  }

  floats(count: number): Float32Array {
    const values = new Float32Array(count);
    // Rounding to float32 may give 1, which no cumulative probability exceeds.
    for (let i = 0; i < count; i++) values[i] = Math.min(this.uniform(), LARGEST_BELOW_ONE);
    return values;
  }

  /** Up to `count` distinct elements, in random order. */
  sample<T>(from: readonly T[], count: number): T[] {
    return this.shuffle([...from]).slice(0, count);
  }
}
