/** From a verified string to evidence: habit, outcome, description, and the trigger cut down and recovered. */
import type { Frame, VerifiedTrigger } from '../../evidence/behaviour.ts';
import { describeBehaviour } from './describe.ts';
import type { BehaviourGroups } from './groups.ts';
import { measureHabit, measureHabitAt } from './habit.ts';
import { knownPassage } from './known-passage.ts';
import type { KnownText } from './known-text.ts';
import { minimise } from './minimise.ts';
import { outcomeOf, outcomeWithKnownText } from './outcome.ts';
import { placeFillers, placeTrial } from './place.ts';
import type { BehaviourProbe, ScoredString, TokenString } from './probe.ts';
import { recoverTrigger } from './recover.ts';
import { HIT_SCORE, type Verified } from './verify.ts';
import type { PlacedVerified } from './verify-place.ts';

/** Strings below this after verification leave no evidence: the search always finds something. */
const MIN_REPORTED_SCORE = HIT_SCORE;
const MINIMISE_RUNS = 12;

export interface ExplainOptions {
  readonly path: string;
  readonly behaviours: BehaviourGroups;
  /** Passages that many corpora hold. */
  readonly knownText?: KnownText;
  /** Strings of all screens with what the model wrote: one of them may be the planted trigger. */
  readonly tried?: readonly ScoredString[];
  /** What the model writes unasked at the place of a framed string. */
  readonly replies?: readonly ArrayLike<number>[];
}

export async function explain(
  probe: BehaviourProbe,
  verified: Verified | PlacedVerified,
  frame: Frame,
  options: ExplainOptions,
): Promise<VerifiedTrigger | undefined> {
  const { trial } = verified;
  if (trial.score < MIN_REPORTED_SCORE) return undefined;
  const place = 'place' in verified ? verified.place : undefined;
  const group = options.behaviours.add(trial, frame);
  const habit =
    place === undefined
      ? await measureHabit(probe, trial)
      : await measureHabitAt(probe, trial, place, options.replies ?? []);
  const measured = outcomeOf(verified, habit, frame === 'delayed');
  const description = await describeBehaviour(probe, trial, verified.contexts);
  const worthwhile = measured !== 'not-specific' && group.isFirstOfGroup;
  let minimal: TokenString = trial.tokens;
  let extended: TokenString | undefined;
  let others: readonly TokenString[] = [];
  if (worthwhile && frame === 'suffix') {
    ({ minimal, extended, others } = await recoverTrigger(probe, trial, {
      core: habit.core,
      controlRate: verified.controlRate.rate,
      tried: options.tried ?? [],
    }));
  } else if (worthwhile && place !== undefined) {
    const fillers = placeFillers(probe, place, MINIMISE_RUNS);
    const attempt = (strings: readonly TokenString[]) =>
      placeTrial(probe, place, strings, fillers, { label: 'minimise' });
    minimal = (await minimise(attempt, trial.tokens)).tokens;
  }
  const passage =
    options.knownText === undefined || measured === 'not-specific'
      ? undefined
      : knownPassage({
          known: options.knownText,
          trial,
          long: habit.long,
          triggers: frame === 'suffix' ? [trial.tokens, minimal] : [],
          text: (tokens) => probe.text(tokens),
        });
  return {
    kind: 'verified-trigger',
    path: options.path,
    outcome: outcomeWithKnownText(measured, passage),
    source: verified.candidate.source,
    frame,
    behaviourGroup: group.behaviourGroup,
    triggerText: probe.text(trial.tokens),
    triggerTokenIds: [...trial.tokens],
    minimalText: probe.text(minimal),
    extendedText: probe.text(extended ?? trial.tokens),
    otherTriggers: others.map((tokens) => probe.text(tokens)),
    behaviourText: description.text,
    behaviourKind: description.kind,
    similarity: description.similarity,
    score: trial.score,
    rate: verified.rate,
    controlRate: verified.controlRate,
    controlRate90: verified.controlRate90,
    pValue: verified.pValue,
    ownShare: habit.ownShare,
    takeover: habit.takeover,
    referenceGap: probe.reference.gap,
    ...(passage !== undefined && { knownText: passage }),
    samples: description.samples,
  };
}
