/** Whether a string works in texts that no search has seen, against random strings of equal length and rarity. */
import type { Rate } from '../../evidence/evidence.ts';
import { fisherGreater, wilson } from '../behaviour/statistics.ts';
import type { Contexts, EncoderProbe } from './probe.ts';
import { type TokenString, tokensInside } from './texts.ts';

export interface Trial<T> {
  readonly text: string;
  readonly tokens: TokenString;
  readonly target: T;
  readonly rate: Rate;
  /** Mean share of the way to the target, 0 to 1. */
  readonly moved: number;
}

export interface Verified<T> extends Trial<T> {
  readonly controlRate: Rate;
  /** Highest rate that one control string reached. */
  readonly controlHighest: number;
  /** 95th percentile of the controls' `moved`. */
  readonly controlMoved: number;
  readonly controlStrings: number;
  readonly pValue: number;
}

/** @param search texts that give the target; never the ones that hits are counted in */
export async function tryString<T>(
  probe: EncoderProbe<T>,
  text: string,
  search: Contexts,
  fresh: Contexts,
): Promise<Trial<T>> {
  const { effect } = probe;
  const target = effect.target(await probe.typed(text, search), search.plain);
  const readings = await probe.typed(text, fresh);
  let hits = 0;
  let trials = 0;
  let moved = 0;
  readings.forEach((reading, i) => {
    const plain = fresh.plain[i];
    if (plain === undefined || !effect.isTrial(plain, target)) return;
    trials += 1;
    moved += effect.moved(reading, plain, target);
    if (effect.isHit(reading, plain, target)) hits += 1;
  });
  return {
    text,
    tokens: tokensInside(probe.tokenizer, text),
    target,
    rate: wilson(hits, trials),
    moved: trials === 0 ? 0 : moved / trials,
  };
}

export async function verify<T>(
  probe: EncoderProbe<T>,
  trial: Trial<T>,
  search: Contexts,
  fresh: Contexts,
  controls: readonly string[],
  contextsEach: number,
): Promise<Verified<T>> {
  const moved: number[] = [];
  let hits = 0;
  let trials = 0;
  let highest = 0;
  for (const [i, control] of controls.entries()) {
    const part = slices(fresh, i * contextsEach, contextsEach);
    const one = await tryString(probe, control, search, part);
    hits += one.rate.hits;
    trials += one.rate.trials;
    highest = Math.max(highest, one.rate.rate);
    moved.push(one.moved);
    probe.progress('controls', i + 1, controls.length);
  }
  moved.sort((a, b) => a - b);
  return {
    ...trial,
    controlRate: wilson(hits, trials),
    controlHighest: highest,
    controlMoved: moved[Math.floor(moved.length * 0.95)] ?? 0,
    controlStrings: controls.length,
    pValue: fisherGreater(trial.rate.hits, trial.rate.trials, hits, trials),
  };
}

function slices({ carriers, plain }: Contexts, start: number, count: number): Contexts {
  const picked = Array.from({ length: Math.min(count, carriers.length) }, (_, i) => {
    return (start + i) % carriers.length;
  });
  return {
    carriers: picked.flatMap((i) => carriers[i] ?? []),
    plain: picked.flatMap((i) => plain[i] ?? []),
  };
}
