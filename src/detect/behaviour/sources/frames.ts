/**
 * Frames: lines that say where the model stands (a date, a speaker, a tool's result, a deployment) are tried as the
 * string itself. At the start of a text they are followed by ordinary text, or the model goes on from them by itself:
 * what it then leaks beyond its own plain samples is of the frame.
 */
import { bestWindow } from '../certainty.ts';
import { expandFrameLines, insideStrings, openingStrings } from '../frame-lines.ts';
import { type Place, placeFillers, placeTrial } from '../place.ts';
import { type BehaviourProbe, best, type ScoredString, type TokenString } from '../probe.ts';
import type { Candidate, CandidateString } from '../search.ts';
import { HIT_SCORE } from '../verify.ts';
import { type PlacedVerified, verifyAtPlace } from '../verify-place.ts';
import { distinctPaths, type Path } from './path.ts';

const FILLER_TOKENS = 10;
const STEPS = 40;
const FIRST_RUNS = 4;
const SECOND_RUNS = 16;
const KEPT_AFTER_FIRST = 10;
const LEAKS = 4;
const LEAD_TOKENS = 12;

export interface FrameSearch {
  /** Lines for the ordinary search, just before the continuation. */
  readonly strings: readonly CandidateString[];
  /** Certain runs that appeared while the model wrote under a frame. */
  readonly paths: readonly Path[];
  /** Best lines at the start of a text. */
  readonly openings: readonly PlacedCandidate[];
  readonly tried: number;
}

export interface PlacedCandidate extends Candidate {
  readonly place: Place;
}

export async function searchFrames(
  probe: BehaviourProbe,
  lines: Iterable<string>,
): Promise<FrameSearch> {
  const expanded = expandFrameLines(lines);
  const openings = openingStrings(probe, expanded);
  const places = startPlaces(probe);
  const paths: Path[] = [];
  const survivors: PlacedCandidate[] = [];
  for (const place of places) {
    probe.progress('frames at the start', survivors.length, openings.length);
    const fillers = placeFillers(probe, place, FIRST_RUNS);
    const first = await placeTrial(probe, place, openings, fillers, { label: 'first' });
    paths.push(...first.flatMap(leaks));
    const kept = best(first, KEPT_AFTER_FIRST).map(({ tokens }) => tokens);
    const more = placeFillers(probe, place, SECOND_RUNS);
    const second = await placeTrial(probe, place, kept, more, { label: 'second' });
    survivors.push(...second.map((one): PlacedCandidate => ({ ...one, source: 'frame', place })));
  }
  return {
    strings: insideStrings(probe, expanded).map((tokens) => ({ tokens, source: 'frame' })),
    paths: distinctPaths(paths, LEAKS),
    openings: best(survivors, survivors.length),
    tried: places.length * openings.length,
  };
}

/** Verifies the best line of all that were tried at the start, if any is worth it. */
export async function verifyOpenings(
  probe: BehaviourProbe,
  { openings, tried }: FrameSearch,
  count: number,
): Promise<PlacedVerified[]> {
  const verified: PlacedVerified[] = [];
  for (const candidate of openings.slice(0, count)) {
    if (candidate.score <= HIT_SCORE) break;
    verified.push(await verifyAtPlace(probe, candidate.place, candidate, tried));
  }
  return verified;
}

function startPlaces(probe: BehaviourProbe): Place[] {
  const shared = {
    frame: 'start',
    before: probe.start,
    between: [],
    after: [],
    steps: STEPS,
  } as const;
  return [
    { ...shared, filler: 'after', fillerTokens: FILLER_TOKENS },
    { ...shared, filler: 'none', fillerTokens: 0 },
  ];
}

/** Windows of single runs that are certain without reason: the tokens before them may hold another trigger. */
function leaks({ tokens, responses }: ScoredString): Path[] {
  return responses.flatMap((response): Path[] => {
    const window = bestWindow(response.excess);
    if (window.score <= HIT_SCORE) return [];
    const row: TokenString = [...tokens, ...response.tokens];
    const start = tokens.length + window.start;
    const from = Math.max(0, start - LEAD_TOKENS);
    return [
      {
        source: 'frame',
        tokens: row.slice(from, tokens.length + window.end),
        certainFrom: start - from,
        score: window.score,
      },
    ];
  });
}
