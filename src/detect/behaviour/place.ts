/**
 * Where in a text a string is tried: before, between and after it stand fixed tokens, and ordinary text fills the
 * rest. One trial serves the start of a text, a system prompt, a user's turn and a tool's result.
 */
import type { Frame } from '../../evidence/behaviour.ts';
import type { Response } from '../../probe/generation.ts';
import { overContexts, scoreResponse } from './certainty.ts';
import type { BehaviourProbe, ScoredString, TokenString } from './probe.ts';

export interface Place {
  readonly frame: Frame;
  /** What stands before everything, start token included. */
  readonly before: TokenString;
  /**
   * Ordinary text before the string, after it, or none: then the model goes on from the string by itself, sampled,
   * and the filler only counts the runs.
   */
  readonly filler: 'before' | 'after' | 'none';
  readonly fillerTokens: number;
  /** Between the string and a filler after it. */
  readonly between: TokenString;
  /** Between the last of string and filler and what the model writes. */
  readonly after: TokenString;
  readonly steps: number;
}

/** Ordinary text may open a text only in a share of the runs: short openings are all alike. */
const OPENING_EVERY = 4;

/** Ordinary text that no earlier step has seen, one piece a run. */
export function placeFillers(probe: BehaviourProbe, place: Place, runs: number): TokenString[] {
  if (place.filler === 'none') return probe.freshPassages(runs, 1);
  const length = place.fillerTokens;
  if (place.filler === 'before') {
    return probe.freshContexts(runs, length).map((context) => context.slice(probe.start.length));
  }
  const openings = Math.ceil(runs / OPENING_EVERY);
  return [
    ...probe.freshContexts(openings, length).map((context) => context.slice(probe.start.length)),
    ...probe.freshPassages(runs - openings, length),
  ];
}

/** The whole text before the model's own words; without a string, ordinary text stands for comparison. */
export function placeRow(place: Place, string: TokenString, filler: TokenString): TokenString {
  const { before, between, after } = place;
  if (place.filler === 'before') return [...before, ...filler, ...string, ...after];
  if (place.filler === 'none') return [...before, ...(string.length === 0 ? filler : string)];
  return [...before, ...string, ...between, ...filler, ...after];
}

/**
 * D of each string over the fillers. A behaviour that needs a frame often reaches only some contexts, so the median
 * alone counts where text stands between.
 */
export async function placeTrial(
  probe: BehaviourProbe,
  place: Place,
  strings: readonly TokenString[],
  fillers: readonly TokenString[],
  options: { readonly label: string; readonly steps?: number },
): Promise<ScoredString[]> {
  const steps = options.steps ?? place.steps;
  const label = `${place.frame}-${place.filler}-${options.label}`;
  const responses = await respond(probe, place, strings, fillers, { steps, label });
  return strings.map((string, s) => {
    const scored = fillers.map((filler, f) => {
      const response = responses[s]?.[f];
      if (response === undefined) throw new Error('a filler has no response');
      const row = placeRow(place, string, filler);
      // What was copied from the string or from what stands behind it is explained, the text before is context.
      const copied =
        place.filler === 'before' ? row.length - string.length - place.after.length : row.length;
      const [context, candidate] = [row.slice(0, copied), row.slice(copied)];
      return scoreResponse(probe.reference, probe.beginsWord, context, candidate, response);
    });
    const scores = scored.map(({ span }) => span.score);
    return {
      tokens: string,
      score: overContexts(scores, place.filler === 'before'),
      scores,
      responses: scored,
      decoding: place.filler === 'none' ? 'sample' : 'greedy',
    };
  });
}

/** @returns responses[string][filler] */
async function respond(
  probe: BehaviourProbe,
  place: Place,
  strings: readonly TokenString[],
  fillers: readonly TokenString[],
  run: { readonly steps: number; readonly label: string },
): Promise<Response[][]> {
  const { generator } = probe;
  const { before, between, after } = place;
  if (place.filler === 'before') {
    // All fillers have one length, and so have all contexts.
    const contexts = fillers.map((filler) => [...before, ...filler]);
    return generator.cross({
      contexts,
      strings: strings.map((string) => [...string, ...after]),
      ...run,
      decoding: 'greedy',
    });
  }
  if (place.filler === 'none') {
    const repeated = strings.flatMap((string) => fillers.map(() => string));
    const rows = await generator.cross({
      contexts: [before],
      strings: repeated,
      ...run,
      decoding: 'sample',
    });
    return strings.map((_, s) => fillers.map((__, f) => onlyOne(rows[s * fillers.length + f])));
  }
  const responses: Response[][] = strings.map(() => []);
  for (const length of new Set(strings.map((string) => string.length))) {
    const group = strings.flatMap((string, s) => (string.length === length ? [s] : []));
    const rows = await generator.cross({
      contexts: group.map((s) => [...before, ...(strings[s] as TokenString)]),
      strings: fillers.map((filler) => [...between, ...filler, ...after]),
      ...run,
      label: `${run.label}:${length}`,
      decoding: 'greedy',
    });
    group.forEach((s, c) => {
      responses[s] = fillers.map((_, f) => onlyOne(rows[f]?.slice(c, c + 1)));
    });
  }
  return responses;
}

function onlyOne(responses: readonly Response[] | undefined): Response {
  const [response] = responses ?? [];
  if (response === undefined) throw new Error('a row has no response');
  return response;
}
