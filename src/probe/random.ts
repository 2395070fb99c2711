/** Random streams by name: the same seed and label give the same numbers, whatever else was drawn before. */
import { Random } from '../random.ts';

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
    for (let i = 0; i < count; i++) values[i] = this.uniform();
    return values;
  }

  /** Up to `count` distinct elements, in random order. */
  sample<T>(from: readonly T[], count: number): T[] {
    return this.shuffle([...from]).slice(0, count);
  }
}
