/**
 * Interpolated n-gram model over token ids with Witten-Bell smoothing (Witten and Bell 1991), used as the
 * reference that says what ordinary text explains.
 *
 * `minSequences` keeps only n-grams found in that many sequences: the habits of a text.
 */

export interface NgramOptions {
  readonly order: number;
  readonly vocabularySize: number;
  readonly minSequences?: number;
}

const NO_PARENT = -1;

export class NgramModel {
  readonly order: number;
  readonly #floor: number;
  #capacity = 1 << 16;
  #mask = this.#capacity - 1;
  #size = 0;
  /** Open addressing: slot to entry + 1. */
  #slots = new Int32Array(this.#capacity);
  #keyA = new Int32Array(this.#capacity / 2);
  #keyB = new Int32Array(this.#capacity / 2);
  #count = new Float64Array(this.#capacity / 2);
  #parent = new Int32Array(this.#capacity / 2);
  #lastSequence = new Int32Array(this.#capacity / 2);
  #sequences = new Int32Array(this.#capacity / 2);
  #total = new Float64Array(0);
  #types = new Float64Array(0);
  #effective = new Float64Array(0);
  #hashA = 0;
  #hashB = 0;

  constructor(sequences: Iterable<ArrayLike<number>>, options: NgramOptions) {
    this.order = options.order;
    this.#floor = 1 / options.vocabularySize;
    this.#root();
    let number = 0;
    for (const sequence of sequences) this.#addSequence(sequence, ++number);
    this.#finish(options.minSequences ?? 0);
  }

  /** @returns p(token | up to order - 1 tokens before `end`), never 0 */
  probability(tokens: ArrayLike<number>, end: number, token: number, start = 0): number {
    let p = this.#floor;
    const longest = Math.min(this.order - 1, end - start);
    for (let k = 0; k <= longest; k++) {
      this.#hashContext(tokens, end, k);
      const context = this.#find(this.#hashA, this.#hashB);
      if (context === NO_PARENT) break;
      const total = this.#total[context] as number;
      if (total === 0) continue;
      const types = this.#types[context] as number;
      this.#extend(token);
      const entry = this.#find(this.#hashA, this.#hashB);
      const count = entry === NO_PARENT ? 0 : (this.#effective[entry] as number);
      p = (count + types * p) / (total + types);
    }
    return p;
  }

  #addSequence(sequence: ArrayLike<number>, number: number): void {
    for (let i = 0; i < sequence.length; i++) {
      const token = sequence[i] as number;
      for (let k = 0; k < this.order && k <= i; k++) {
        this.#hashContext(sequence, i, k);
        const parent = this.#findOrAdd(this.#hashA, this.#hashB, NO_PARENT);
        this.#extend(token);
        const entry = this.#findOrAdd(this.#hashA, this.#hashB, parent);
        this.#parent[entry] = parent;
        if (this.#lastSequence[entry] !== number) {
          this.#lastSequence[entry] = number;
          this.#sequences[entry] = (this.#sequences[entry] as number) + 1;
        }
        this.#count[entry] = (this.#count[entry] as number) + 1;
      }
    }
  }

  #finish(minSequences: number): void {
    this.#total = new Float64Array(this.#size);
    this.#types = new Float64Array(this.#size);
    this.#effective = new Float64Array(this.#size);
    for (let entry = 1; entry < this.#size; entry++) {
      const parent = this.#parent[entry] as number;
      const value = this.#count[entry] as number;
      if (parent === NO_PARENT) continue;
      if ((this.#sequences[entry] as number) < minSequences) continue;
      this.#effective[entry] = value;
      this.#total[parent] = (this.#total[parent] as number) + value;
      this.#types[parent] = (this.#types[parent] as number) + 1;
    }
  }

  /** Hash of the k tokens before `end`, nearest token outermost. */
  #hashContext(tokens: ArrayLike<number>, end: number, k: number): void {
    this.#hashA = 0x9e3779b9 | 0;
    this.#hashB = 0x7f4a7c15;
    for (let i = end - k; i < end; i++) this.#extend(tokens[i] as number);
  }

  #extend(token: number): void {
    let a = Math.imul(this.#hashA ^ (token + 0x3c6ef372), 0x85ebca6b);
    a ^= a >>> 13;
    let b = Math.imul(this.#hashB + token + 1, 0xc2b2ae35);
    b ^= b >>> 16;
    this.#hashA = a;
    this.#hashB = b;
  }

  #root(): void {
    this.#hashContext([], 0, 0);
    this.#findOrAdd(this.#hashA, this.#hashB, NO_PARENT);
  }

  #find(a: number, b: number): number {
    let slot = (a ^ (b >>> 7)) & this.#mask;
    for (;;) {
      const entry = (this.#slots[slot] as number) - 1;
      if (entry < 0) return NO_PARENT;
      if (this.#keyA[entry] === a && this.#keyB[entry] === b) return entry;
      slot = (slot + 1) & this.#mask;
    }
  }

  #findOrAdd(a: number, b: number, parent: number): number {
    const found = this.#find(a, b);
    if (found !== NO_PARENT) return found;
    if (this.#size * 2 >= this.#capacity) this.#grow();
    const entry = this.#size++;
    this.#keyA[entry] = a;
    this.#keyB[entry] = b;
    this.#parent[entry] = parent;
    this.#place(entry);
    return entry;
  }

  #place(entry: number): void {
    let slot = ((this.#keyA[entry] as number) ^ ((this.#keyB[entry] as number) >>> 7)) & this.#mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = entry + 1;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#mask = this.#capacity - 1;
    this.#slots = new Int32Array(this.#capacity);
    const half = this.#capacity / 2;
    this.#keyA = grown(this.#keyA, half);
    this.#keyB = grown(this.#keyB, half);
    this.#parent = grown(this.#parent, half);
    this.#lastSequence = grown(this.#lastSequence, half);
    this.#sequences = grown(this.#sequences, half);
    const count = new Float64Array(half);
    count.set(this.#count);
    this.#count = count;
    for (let entry = 0; entry < this.#size; entry++) this.#place(entry);
  }
}

function grown(old: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size);
  larger.set(old);
  return larger;
}
