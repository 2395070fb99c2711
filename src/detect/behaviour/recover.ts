/**
 * From a string that works to the one that was planted, as far as the model still knows it. A model that was
 * trained on trigger and behaviour together writes both when it goes on and on: the run that it writes before the
 * behaviour holds the trigger. Where in that run the trigger ends and the behaviour begins cannot always be told
 * from the model: to it both are one memorised run. So the run is given whole, a superstring of the trigger.
 */

import { commonRun } from './describe.ts';
import { indexOfRun } from './habit.ts';
import { beginnings, cutBehind, type Lead, leadsBefore, sharedContinuation } from './leads.ts';
import { fixedTrial, hitShare, minimise, type Trial } from './minimise.ts';
import { type BehaviourProbe, best, type ScoredString, type TokenString } from './probe.ts';
import { differentCandidates, HIT_SCORE } from './verify.ts';

export interface RecoveredTrigger {
  /** The shortest part that still works. */
  readonly minimal: TokenString;
  /** What the model writes before the behaviour by itself and what sets the behaviour off. */
  readonly extended: TokenString;
  /** Further strings that set it off and have no word of the behaviour in them, surest first. */
  readonly others: readonly TokenString[];
}

const LONG_CONTEXTS = 16;
const LONG_STEPS = 64;
const MAX_TRIGGER = 24;
const ALL_LENGTHS = Array.from({ length: MAX_TRIGGER }, (_, i) => i + 1);
const FOREIGN_STRINGS = 32;
const OTHERS = 4;
const COARSE_LENGTHS = [2, 4, 6, 8, 12, 16, 24];
/** Tokens of the reported run: enough for a trigger and the first words of the behaviour. */
const MAX_RUN = 28;
/** A part of a lead counts as setting the behaviour off at this share of the best part's hits. */
const WORKING = 0.8;
/** Text before the behaviour that sets it off hardly more often than matched strings do only stood there. */
const MIN_ABOVE_CONTROLS = 0.4;

export async function recoverTrigger(
  probe: BehaviourProbe,
  trial: ScoredString,
  known: {
    readonly core: TokenString;
    /** Share of matched strings that set it off too. */
    readonly controlRate: number;
    /** Strings of all screens with what the model wrote. */
    readonly tried: readonly ScoredString[];
  },
): Promise<RecoveredTrigger> {
  const { core } = known;
  const minShare = known.controlRate + MIN_ABOVE_CONTROLS;
  const attempt = fixedTrial(probe, 'recover');
  const minimal = (await minimise(attempt, trial.tokens)).tokens;
  const [long] = await probe.trial([trial.tokens], probe.freshContexts(LONG_CONTEXTS, 14), {
    steps: LONG_STEPS,
    decoding: 'both',
    label: 'recover-long',
  });
  const own = probe.own.map(({ tokens }) => tokens);
  const written = (long?.responses ?? []).map(({ tokens }) => tokens);
  const after = sharedContinuation([...own, ...written], core);
  const ownLeads = leadsBefore(own, core);
  // Text that the model wrote unasked, up to where the behaviour begins: what stands last there is the trigger.
  const begins = beginnings(written, core);
  const bare = cutBehind(
    ownLeads,
    begins.map((text) => [...trial.tokens, ...text]),
  );
  const foreign = foreignStrings(known.tried, [trial.tokens, ...written], core);
  const single = await singleParts(attempt, [...bare, ...foreign], minShare);
  const stood = single.find(({ behind }) => behind !== undefined);
  const word = stood && (await shortened(probe, attempt, stood, minShare));
  const others = differentCandidates([...(word ? [word] : []), ...single], OTHERS).map(
    ({ tokens }) => tokens,
  );
  const found =
    (await sharedPart(attempt, bare, minShare)) ??
    (await sharedPart(attempt, [...ownLeads, ...leadsBefore(written, core)], 0)) ??
    word;
  if (found !== undefined) {
    const run = [...found.tokens, ...(found.behind ?? []), ...core, ...after];
    return { minimal, extended: run.slice(0, MAX_RUN), others };
  }
  const hits = trial.responses.filter((_, i) => (trial.scores[i] ?? 0) > HIT_SCORE);
  const common = commonRun(hits.map(({ tokens }) => Array.from(tokens)));
  return { minimal, extended: [...minimal, ...common].slice(0, MAX_RUN), others };
}

/** Of leads that several texts share, the longest part that works as well as any: ordinary text is not shared. */
async function sharedPart(
  attempt: Trial,
  leads: readonly Lead[],
  minShare: number,
): Promise<Lead | undefined> {
  const shared = leads.filter(({ isShared }) => isShared);
  const parts = shared.flatMap((lead) => endsOf(lead, ALL_LENGTHS));
  const [longest] = await working(attempt, parts, minShare);
  return longest;
}

/** Of strings and of text that stands in one place, the parts that work, surest first. */
async function singleParts(
  attempt: Trial,
  leads: readonly Lead[],
  minShare: number,
): Promise<Lead[]> {
  const singles = leads.filter(({ isShared }) => !isShared);
  const parts = new Map(
    singles
      .flatMap((lead) => [...endsOf(lead, COARSE_LENGTHS), lead])
      .map((part) => [part.tokens.join(), part]),
  );
  if (parts.size === 0) return [];
  const scored = await attempt([...parts.values()].map(({ tokens }) => tokens));
  const working = scored.filter((one) => hitShare(one) >= minShare);
  return best(working, working.length).flatMap(({ tokens }) => parts.get(tokens.join()) ?? []);
}

/** The shortest end of a part that works as well, from the beginning of its word. */
async function shortened(
  probe: BehaviourProbe,
  attempt: Trial,
  part: Lead,
  minShare: number,
): Promise<Lead> {
  const fine = await working(attempt, endsOf(part, ALL_LENGTHS), minShare);
  const fromWord = fine.filter(({ tokens }) => probe.beginsWord(tokens[0] as number));
  return fromWord.at(-1) ?? fine.at(-1) ?? part;
}

/**
 * Strings of the screens after which the model wrote the core, and which share nothing with the behaviour's own words:
 * beginnings of the behaviour set it off as well as the trigger does, and are not it.
 */
function foreignStrings(
  tried: readonly ScoredString[],
  behaviour: readonly ArrayLike<number>[],
  core: TokenString,
): Lead[] {
  if (core.length === 0) return [];
  const words = new Set(behaviour.flatMap(pairsOf));
  return tried
    .filter(({ tokens, responses }) => {
      const holding = responses.filter((one) => indexOfRun(one.tokens, core) >= 0).length;
      return holding * 2 >= responses.length && !pairsOf(tokens).some((pair) => words.has(pair));
    })
    .sort((a, b) => b.score - a.score)
    .slice(0, FOREIGN_STRINGS)
    .map(({ tokens }) => ({ tokens, behind: undefined, isShared: false }));
}

function pairsOf(tokens: ArrayLike<number>): string[] {
  return Array.from(
    { length: Math.max(0, tokens.length - 1) },
    (_, i) => `${tokens[i]},${tokens[i + 1]}`,
  );
}

function endsOf(lead: Lead, lengths: readonly number[]): Lead[] {
  return lengths
    .filter((length) => length <= lead.tokens.length)
    .map((length) => ({ ...lead, tokens: lead.tokens.slice(-length) }));
}

/** The parts that work as well as the best of them, longest first; none when the best hardly works. */
async function working(attempt: Trial, parts: readonly Lead[], minShare: number): Promise<Lead[]> {
  const byTokens = new Map(parts.map((part) => [part.tokens.join(), part]));
  if (byTokens.size === 0) return [];
  const scored = await attempt([...byTokens.values()].map(({ tokens }) => tokens));
  const most = Math.max(...scored.map(hitShare));
  if (most === 0 || most < minShare) return [];
  return scored
    .filter((one) => hitShare(one) >= most * WORKING)
    .sort((a, b) => b.tokens.length - a.tokens.length || b.score - a.score)
    .flatMap(({ tokens }) => byTokens.get(tokens.join()) ?? []);
}
