/**
 * Whether a known text explains a verified behaviour. Characters alone would let an inserted line hide beside a long
 * passage, so the question is asked of the evidence itself: how much of the unexplained certainty lies in one run of
 * one known text, and whether what is left would still be a surprise.
 */
import type { KnownTextFact } from '../../evidence/behaviour.ts';
import { bestWindow, quantile, type ScoredResponse } from './certainty.ts';
import { type KnownRun, type KnownText, normalisePieces } from './known-text.ts';
import type { ScoredString, TokenString } from './probe.ts';
import { HIT_SCORE } from './verify.ts';

/** Least share of a response's unexplained certainty that the run must hold. */
const MIN_SHARE = 0.8;
/** Most unexplained certainty that may be left outside the run, nats: less than three surprising words. */
const MAX_LEFT = HIT_SCORE / 2;
/** Least share of the responses for which this holds. */
const MIN_RESPONSES = 0.8;
/** Least share of the trigger's letters that stand in the run when the behaviour continues the trigger. */
const MIN_TRIGGER = 0.5;

export interface PassageInput {
  readonly known: KnownText;
  /** Verification: the responses that are hits are looked at. */
  readonly trial: ScoredString;
  /** Longer responses, in which a line behind the passage would show. */
  readonly long: readonly ScoredResponse[];
  /** What stands directly before the responses, in forms of any length; none where other text stands between. */
  readonly triggers: readonly TokenString[];
  text(tokens: readonly number[]): string;
}

interface Reading {
  readonly source: string;
  readonly text: string;
  readonly share: number;
  readonly left: number;
  readonly continuesTrigger: boolean;
}

export function knownPassage(input: PassageInput): KnownTextFact | undefined {
  const hits = input.trial.responses.filter((_, i) => (input.trial.scores[i] ?? 0) > HIT_SCORE);
  const readings = hits.flatMap((response) => readResponse(input, response) ?? []);
  const source = mostFrequent(readings.map((reading) => reading.source));
  const explained = readings.filter(
    (one) => one.source === source && one.share >= MIN_SHARE && one.left <= MAX_LEFT,
  );
  if (source === undefined || !isMost(explained.length, hits.length)) return undefined;
  // Long responses hold much ordinary text, whose best window alone can pass MAX_LEFT: they are asked for a hit.
  const calm = input.long.filter((response) => leftOf(input, response) <= HIT_SCORE);
  if (!isMost(calm.length, input.long.length)) return undefined;
  const [longest] = [...explained].sort((a, b) => b.text.length - a.text.length);
  return {
    source,
    passage: longest?.text ?? '',
    share: quantile(
      explained.map(({ share }) => share),
      0.5,
    ),
    continuesTrigger: isMost(
      explained.filter(({ continuesTrigger }) => continuesTrigger).length,
      hits.length,
    ),
  };
}

function isMost(count: number, total: number): boolean {
  return count > 0 && count >= MIN_RESPONSES * total;
}

/** The best reading of a response over the forms of the trigger before it. */
function readResponse(input: PassageInput, response: ScoredResponse): Reading | undefined {
  const forms = input.triggers.length === 0 ? [[]] : input.triggers;
  const readings = forms.flatMap((trigger) => readAfter(input, trigger, response));
  const [first] = readings.sort(
    (a, b) => Number(b.continuesTrigger) - Number(a.continuesTrigger) || b.share - a.share,
  );
  return first;
}

function leftOf(input: PassageInput, response: ScoredResponse): number {
  const left = readResponse(input, response)?.left;
  return left ?? bestWindow(response.excess).score;
}

function readAfter(input: PassageInput, trigger: TokenString, response: ScoredResponse): Reading[] {
  const pieces = [...trigger, ...response.tokens].map((token) => input.text([token]));
  const { text, pieceOf } = normalisePieces(pieces);
  const triggerEnd = countBelow(pieceOf, trigger.length);
  const readings = input.known.runs(text).map((run): Reading => {
    const covered = coveredPieces(pieceOf, run, pieces.length).slice(trigger.length);
    const { start, end } = response.span;
    let inRun = 0;
    let inAll = 0;
    for (let t = start; t < end; t++) {
      const nats = Math.max(0, response.excess[t] ?? 0);
      inAll += nats;
      if (covered[t] === true) inRun += nats;
    }
    const rest = response.excess.map((nats, t) => (covered[t] === true ? 0 : nats));
    const before = Math.max(0, triggerEnd - run.start);
    return {
      source: run.source,
      text: text.slice(run.start, run.end),
      share: inAll === 0 ? 0 : inRun / inAll,
      left: bestWindow(rest).score,
      continuesTrigger:
        triggerEnd > 0 && run.end > triggerEnd && before >= MIN_TRIGGER * triggerEnd,
    };
  });
  const [best] = readings.sort((a, b) => b.share - a.share || b.text.length - a.text.length);
  return best === undefined ? [] : [best];
}

function countBelow(pieceOf: readonly number[], piece: number): number {
  const first = pieceOf.findIndex((p) => p >= piece);
  return first < 0 ? pieceOf.length : first;
}

/** Pieces whose every letter lies in the run, and those without letters between them. */
function coveredPieces(pieceOf: readonly number[], run: KnownRun, pieceCount: number): boolean[] {
  const first = pieceOf[run.start] ?? pieceCount;
  const last = pieceOf[run.end - 1] ?? -1;
  const covered = Array.from({ length: pieceCount }, (_, p) => p >= first && p <= last);
  if (pieceOf[run.start - 1] === first) covered[first] = false;
  if (pieceOf[run.end] === last) covered[last] = false;
  return covered;
}

function mostFrequent(names: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const [first] = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return first?.[0];
}
