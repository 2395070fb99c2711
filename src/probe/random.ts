/** Seeded random streams: the same seed and label give the same numbers on every machine. */

export class RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  constructor(seed: number, label: string) {
    let hash = 0x811c9dc5 ^ seed;
    for (let i = 0; i < label.length; i++) {
      hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
    }
    this.#a = hash | 0;
    this.#b = Math.imul(hash, 0x9e3779b1) | 0;
    this.#c = Math.imul(hash ^ 0x85ebca6b, 0xc2b2ae35) | 0;
    for (let i = 0; i < 12; i++) this.uniform();
  }

  /** In [0, 1), 32 bits (generator: sfc32, PractRand). */
  uniform(): number {
    const sum = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return (sum >>> 0) / 4294967296;
  }

  /** Whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  floats(count: number): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = this.uniform();
    return values;
  }

  /** Up to `count` distinct elements, in random order. */
  sample<T>(from: readonly T[], count: number): T[] {
    const pool = [...from];
    const wanted = Math.min(count, pool.length);
    for (let i = 0; i < wanted; i++) {
      const j = i + this.below(pool.length - i);
      const kept = pool[i] as T;
      pool[i] = pool[j] as T;
      pool[j] = kept;
    }
    return pool.slice(0, wanted);
  }
}
