/** Flipped classes: texts of other classes come to be called one class. */
import type { TextReading } from '../../probe/embedder.ts';
import type { Effect } from './effect.ts';

/** Log-odds beyond this say no more: a saturated text must not outweigh the others. */
const MAX_LOG_ODDS = 12;

export class ClassEffect implements Effect<number> {
  readonly kind = 'class';
  readonly #labels: number;

  constructor(labels: number) {
    this.#labels = labels;
  }

  /** The surest texts of each class in turn. */
  choose(readings: readonly TextReading[], count: number): number[] {
    const byClass = new Map<number, { readonly index: number; readonly sure: number }[]>();
    readings.forEach((reading, index) => {
      const own = classOf(reading);
      const list = byClass.get(own) ?? [];
      list.push({ index, sure: logOdds(reading, own) });
      byClass.set(own, list);
    });
    const queues = [...byClass.values()].map((list) => list.toSorted((a, b) => b.sure - a.sure));
    const chosen: number[] = [];
    for (let round = 0; chosen.length < Math.min(count, readings.length); round++) {
      for (const queue of queues) {
        const next = queue[round];
        if (next !== undefined && chosen.length < count) chosen.push(next.index);
      }
    }
    return chosen;
  }

  score(readings: readonly TextReading[], plain: readonly TextReading[]): number {
    return this.#shift(readings, plain, this.target(readings, plain));
  }

  group(readings: readonly TextReading[], plain: readonly TextReading[]): number {
    return this.target(readings, plain);
  }

  /** Of a class that no text is sure of yet. */
  ceiling(): number {
    return 2 * MAX_LOG_ODDS;
  }

  target(readings: readonly TextReading[], plain: readonly TextReading[]): number {
    const shifts = Array.from({ length: this.#labels }, (_, k) => this.#shift(readings, plain, k));
    return shifts.indexOf(Math.max(...shifts));
  }

  /** Mean rise of one class's log-odds over texts of other classes. */
  #shift(readings: readonly TextReading[], plain: readonly TextReading[], k: number): number {
    let sum = 0;
    let count = 0;
    readings.forEach((reading, i) => {
      const before = plain[i];
      if (before === undefined || !this.isTrial(before, k)) return;
      sum += logOdds(reading, k) - logOdds(before, k);
      count += 1;
    });
    return count === 0 ? 0 : sum / count;
  }

  isTrial(plain: TextReading, target: number): boolean {
    return classOf(plain) !== target;
  }

  isHit(reading: TextReading, plain: TextReading, target: number): boolean {
    return this.isTrial(plain, target) && classOf(reading) === target;
  }

  moved(reading: TextReading, plain: TextReading, target: number): number {
    const before = probability(plain, target);
    return (probability(reading, target) - before) / Math.max(1e-6, 1 - before);
  }

  sameTarget(a: number, b: number): boolean {
    return a === b;
  }
}

export function classOf(reading: TextReading): number {
  const scores = classesOf(reading);
  let best = 0;
  scores.forEach((score, k) => {
    if (score > (scores[best] as number)) best = k;
  });
  return best;
}

/** Softmax. */
export function probability(reading: TextReading, k: number): number {
  const scores = classesOf(reading);
  const top = Math.max(...scores);
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - top);
  const value = Math.exp((scores[k] as number) - top) / sum;
  return Number.isFinite(value) ? value : 0;
}

function logOdds(reading: TextReading, k: number): number {
  const p = probability(reading, k);
  const odds = Math.log(p) - Math.log1p(-p);
  return Math.max(-MAX_LOG_ODDS, Math.min(MAX_LOG_ODDS, odds));
}

function classesOf(reading: TextReading): Float32Array {
  if (reading.classes === undefined) throw new Error('the model gives no classes');
  return reading.classes;
}
