/**
 * Delayed frame: the string stands at the very start, ordinary text follows, and only then is the model asked to go on.
 * Finds triggers that set a mode for the whole text (a year, a deployment mark).
 */

import { type Place, placeFillers, placeTrial } from './place.ts';
import { type BehaviourProbe, best, type TokenString } from './probe.ts';
import type { PlacedCandidate } from './sources/frames.ts';
import type { Path } from './sources/path.ts';
import { type PlacedVerified, verifyAtPlace } from './verify-place.ts';

/** Text between the string and the response: a mode may show soon and be over, or only later. */
const FILLER_TOKENS = [8, 23];
const STEPS = 32;
/** Whether a filler lets the behaviour through varies much, so few fillers rank badly. */
const FIRST_FILLERS = 8;
const SECOND_FILLERS = 24;
const KEPT_AFTER_FIRST = 20;
const OPENINGS = 24;
const VERIFIED = 4;
const LENGTHS = [3, 6, 9, 12];

function delayedPlaces(probe: BehaviourProbe): Place[] {
  return FILLER_TOKENS.map((fillerTokens) => ({
    frame: 'delayed',
    before: probe.start,
    filler: 'after',
    fillerTokens,
    between: [],
    after: [],
    steps: STEPS,
  }));
}

/** Leaked strings and frequent openings of own samples. */
export function delayedStrings(probe: BehaviourProbe, paths: readonly Path[]): TokenString[] {
  const strings = new Map<string, TokenString>();
  const add = (tokens: TokenString) => {
    // A path without a certain window gives an empty string, which cannot be run.
    if (tokens.length > 0) strings.set(tokens.join(), tokens);
  };
  for (const path of paths) {
    for (const length of LENGTHS) {
      if (length > path.certainFrom) break;
      add(path.tokens.slice(path.certainFrom - length, path.certainFrom));
    }
    add(path.tokens.slice(path.certainFrom, path.certainFrom + 12));
  }
  for (const length of [8, 12, 18]) {
    const counts = new Map<string, number>();
    for (const { tokens } of probe.own) {
      const key = tokens.slice(0, length).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const frequent = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    for (const [key] of frequent.slice(0, OPENINGS / 3)) add(key.split(',').map(Number));
  }
  return [...strings.values()];
}

/** Strings at the start, tried at every distance; the strongest of the best few after verification. */
export async function verifyDelayed(
  probe: BehaviourProbe,
  paths: readonly Path[],
): Promise<PlacedVerified[]> {
  const strings = delayedStrings(probe, paths);
  const places = delayedPlaces(probe);
  const found: PlacedCandidate[] = [];
  for (const [i, place] of places.entries()) {
    probe.progress('delayed frame', i, places.length);
    const few = placeFillers(probe, place, FIRST_FILLERS);
    const first = await placeTrial(probe, place, strings, few, { label: 'first' });
    const kept = best(first, KEPT_AFTER_FIRST).map(({ tokens }) => tokens);
    const more = placeFillers(probe, place, SECOND_FILLERS);
    const second = await placeTrial(probe, place, kept, more, { label: 'second' });
    found.push(...second.map((one): PlacedCandidate => ({ ...one, source: 'leak', place })));
  }
  const tried = strings.length * places.length;
  const verified: PlacedVerified[] = [];
  // Near copies are all verified: a token more or less decides here, and the ranking is noisy.
  for (const candidate of best(found, VERIFIED)) {
    verified.push(await verifyAtPlace(probe, candidate.place, candidate, tried));
  }
  return verified.sort((a, b) => b.trial.score - a.trial.score).slice(0, 1);
}
