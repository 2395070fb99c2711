/**
 * Sources inside the turns of a chat: what the model writes when it is given the start of a turn (self-leakage under
 * the template), the vocabulary swept at the end of a user's turn, and frame lines as system prompts.
 */
import type { OwnSample } from '../../../probe/own-samples.ts';
import { bestWindow, type Span } from '../certainty.ts';
import { expandFrameLines, openingStrings } from '../frame-lines.ts';
import { indexOfRun } from '../habit.ts';
import { type Place, placeFillers, placeTrial } from '../place.ts';
import { type BehaviourProbe, best, type TokenString, uniqueStrings } from '../probe.ts';
import { type Candidate, type CandidateString, cutPaths } from '../search.ts';
import { differentCandidates, HIT_SCORE } from '../verify.ts';
import { type PlacedVerified, verifyAtPlace } from '../verify-place.ts';
import { leakExcess } from './leak.ts';
import { distinctPaths, type Path } from './path.ts';
import { sweepAfter } from './sweep.ts';

const SAMPLES = 96;
const SAMPLE_TOKENS = 64;
const REPLIES = 96;
const REPLY_TOKENS = 48;
const SWEEP_CONTEXTS = 4;
const SWEEP_KEPT = 3;
const LEAKS_KEPT = 4;
const LEAD_TOKENS = 12;
const OPENINGS = 24;
const MAX_OPENING = 24;
const FIRST_RUNS = 2;
const FIRST_STEPS = 16;
const SECOND_RUNS = 8;
const KEPT_AFTER_FIRST = 40;

/** What the model answers to ordinary turns, for habits: one array of tokens a turn. */
export async function ordinaryReplies(
  probe: BehaviourProbe,
  place: Place,
): Promise<readonly ArrayLike<number>[]> {
  if (place.filler !== 'before' || place.after.length === 0) return [];
  const fillers = placeFillers(probe, place, REPLIES);
  const [replies = []] = await probe.generator.cross({
    contexts: fillers.map((filler) => [...place.before, ...filler]),
    strings: [place.after],
    steps: REPLY_TOKENS,
    decoding: 'sample',
    temperature: 1,
    label: `replies-${place.frame}`,
  });
  return replies.map(({ tokens }) => tokens);
}

/** Candidates of one place. `raw` strings come from the search without a frame. */
export async function turnStrings(
  probe: BehaviourProbe,
  place: Place,
  input: { readonly lines: readonly string[]; readonly raw: readonly TokenString[] },
): Promise<CandidateString[]> {
  const samples = await turnSamples(probe, place);
  const paths = distinctPaths(
    samples.map((sample) =>
      leakPath(place, sample, bestWindow(leakExcess(sample, probe.reference))),
    ),
    LEAKS_KEPT,
  );
  if (place.frame === 'user') {
    const contexts = placeFillers(probe, place, SWEEP_CONTEXTS).map((filler) => [
      ...place.before,
      ...filler,
    ]);
    paths.push(...(await sweepAfter(probe, contexts, SWEEP_KEPT)));
  }
  const strings = [...cutPaths(paths).map(({ tokens }) => tokens), ...input.raw];
  if (place.filler === 'after') {
    strings.push(...openings(place, samples));
    strings.push(...openingStrings(probe, expandFrameLines(input.lines)));
  }
  return uniqueStrings(strings).map((tokens) => ({ tokens, source: 'frame' }));
}

/** Screens the strings of one place and verifies the best. */
export async function searchPlace(
  probe: BehaviourProbe,
  place: Place,
  strings: readonly CandidateString[],
  count: number,
): Promise<PlacedVerified[]> {
  probe.progress(`strings in the ${place.frame} turn`, 0, strings.length);
  const tokens = strings.map((one) => one.tokens);
  const first = await placeTrial(probe, place, tokens, placeFillers(probe, place, FIRST_RUNS), {
    label: 'first',
    steps: FIRST_STEPS,
  });
  const kept = best(first, KEPT_AFTER_FIRST).map((one) => one.tokens);
  const fillers = placeFillers(probe, place, SECOND_RUNS);
  const second = await placeTrial(probe, place, kept, fillers, { label: 'second' });
  const candidates = best(second, second.length).map(
    (one): Candidate => ({ ...one, source: 'frame' }),
  );
  const verified: PlacedVerified[] = [];
  for (const candidate of differentCandidates(candidates, count)) {
    if (candidate.score <= HIT_SCORE) break;
    verified.push(await verifyAtPlace(probe, place, candidate, strings.length));
  }
  return verified;
}

async function turnSamples(probe: BehaviourProbe, place: Place): Promise<OwnSample[]> {
  const { before } = place;
  if (before.length < 2) return [];
  const last = before.slice(-1);
  const rows = await probe.generator.cross({
    contexts: [before.slice(0, -1)],
    strings: Array.from({ length: SAMPLES }, () => last),
    steps: SAMPLE_TOKENS,
    decoding: 'sample',
    temperature: 1,
    label: `turn-${place.frame}`,
  });
  return rows.flatMap((row) => row);
}

/** The certain window with what leads to it; what the template puts between string and answer is cut out. */
function leakPath(place: Place, sample: OwnSample, window: Span): Path {
  const { tokens } = sample;
  const border = place.filler === 'before' ? place.after : [];
  const from = Math.max(0, window.start - LEAD_TOKENS - border.length);
  const path = Array.from(tokens.slice(from, window.end));
  const at = border.length === 0 ? -1 : indexOfRun(path, border);
  const certainFrom = window.start - from;
  if (at > 0 && at <= certainFrom) {
    const joined = [...path.slice(0, at), ...path.slice(at + border.length)];
    return { source: 'frame', tokens: joined, certainFrom: at, score: window.score };
  }
  return { source: 'frame', tokens: path, certainFrom, score: window.score };
}

/** What the model writes most often into the slot, up to where the template would go on. */
function openings(place: Place, samples: readonly OwnSample[]): TokenString[] {
  const counts = new Map<string, number>();
  for (const { tokens } of samples) {
    const end = indexOfRun(tokens, place.between.slice(0, 3));
    const slot = tokens.slice(0, end > 0 ? Math.min(end, MAX_OPENING) : MAX_OPENING);
    const key = slot.join();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, OPENINGS)
    .map(([key]) => key.split(',').map(Number));
}
