/**
 * Stages 3 to 5 on one language model: sources of candidates, search, verification, recovery of the trigger, outcome.
 * Returns evidence only; rules decide what it means.
 */
import type { CandidateSource, Frame, VerifiedTrigger } from '../../evidence/behaviour.ts';
import type { NotCovered } from '../../evidence/evidence.ts';
import type { Corpus } from '../../probe/corpus.ts';
import type { Generator } from '../../probe/generation.ts';
import { delayedCandidates, delayedTrial } from './delayed.ts';
import { describeBehaviour } from './describe.ts';
import { BehaviourGroups } from './groups.ts';
import { measureHabit } from './habit.ts';
import { openProbe } from './open-probe.ts';
import { outcomeOf } from './outcome.ts';
import { type BehaviourProbe, best, type ProbeProgress, type TokenString } from './probe.ts';
import { recoverTrigger } from './recover.ts';
import { type Candidate, type CandidateString, cutPaths, searchCandidates } from './search.ts';
import type { BehaviourSettings } from './settings.ts';
import { leakPaths } from './sources/leak.ts';
import { lexiconCandidates, lexiconStrings } from './sources/lexicon.ts';
import { motifPaths } from './sources/motif.ts';
import type { Path } from './sources/path.ts';
import { singleTokens } from './sources/single.ts';
import { sweepPaths } from './sources/sweep.ts';
import { fisherGreater, wilson } from './statistics.ts';
import {
  controlRates,
  differentCandidates,
  HIT_SCORE,
  type Verified,
  verifyCandidates,
} from './verify.ts';

export interface BehaviourInput {
  readonly generator: Generator;
  readonly settings: BehaviourSettings;
  /** Path that evidence carries. */
  readonly path: string;
  /** Text that explains ordinary continuations; a user's own (`--corpus`) explains far more. */
  readonly corpora: readonly Corpus[];
  readonly canonical: readonly string[];
  /** Strings that the user suspects (`--suspect`): they reach the last screen and verification whatever they score. */
  readonly suspects?: readonly string[];
  /** Further strings from other stages: SAE features, weights, `--suspect`. */
  readonly extra?: (probe: BehaviourProbe) => Promise<readonly CandidateString[]>;
  readonly progress?: ProbeProgress;
}

export interface BehaviourResult {
  readonly evidence: readonly VerifiedTrigger[];
  readonly notCovered: readonly NotCovered[];
  readonly probe: BehaviourProbe;
  /** Nats a token of the model's own text that the corpora leave unexplained. */
  readonly referenceGap: number;
  /** Best score that each source reached alone, before verification. */
  readonly sourceScores: Readonly<Partial<Record<CandidateSource, number>>>;
}

export async function scanBehaviour(input: BehaviourInput): Promise<BehaviourResult> {
  const { settings } = input;
  const progress = input.progress ?? (() => undefined);
  const { probe, excess, windows } = await openProbe(input, progress);
  const referenceGap = probe.reference.gap;

  const uses = (source: CandidateSource) => settings.sources.has(source);
  const paths: Path[] = [];
  if (uses('leak')) paths.push(...leakPaths(probe, windows));
  if (uses('motif')) paths.push(...motifPaths(probe, excess));
  if (uses('sweep')) paths.push(...(await sweepPaths(probe)));
  const strong: Candidate[] = [];
  if (uses('lexicon')) {
    const documents = input.corpora.flatMap((corpus) => corpus.documents);
    const strings = lexiconStrings(probe, { documents, canonical: input.canonical });
    const found = await lexiconCandidates(probe, strings);
    strong.push(...found.map((scored): Candidate => ({ ...scored, source: 'lexicon' })));
  }
  if (uses('single')) {
    const found = await singleTokens(probe);
    strong.push(...found.map((scored): Candidate => ({ ...scored, source: 'single' })));
  }
  const cut = [...cutPaths(paths), ...((await input.extra?.(probe)) ?? [])];
  const ranked = await searchCandidates(probe, cut, strong);
  const suspects = await suspectCandidates(probe, input.suspects ?? []);
  const chosen = [...suspects, ...differentCandidates(ranked, settings.verifyStrings)];
  const verified = await verifyCandidates(probe, chosen, cut.length + strong.length);

  const evidence: VerifiedTrigger[] = [];
  const behaviours = new BehaviourGroups();
  const byScore = verified.sort((a, b) => b.trial.score - a.trial.score);
  const framed = byScore.map((one): [Verified, Frame] => [one, 'suffix']);
  if (settings.delayed) {
    for (const one of await verifyDelayed(probe, paths)) framed.push([one, 'delayed']);
  }
  for (const [one, frame] of framed) {
    if (one.trial.score < MIN_REPORTED_SCORE) continue;
    const place: Place = {
      path: input.path,
      frame,
      referenceGap,
      ...behaviours.add(one.trial, frame),
    };
    evidence.push(await explain(probe, one, place));
  }
  return { evidence, notCovered: [], probe, referenceGap, sourceScores: sourceScores(ranked) };
}

async function suspectCandidates(
  probe: BehaviourProbe,
  suspects: readonly string[],
): Promise<Candidate[]> {
  const { tokenizer } = probe.generator.model;
  const strings = suspects.map((text) => tokenizer.encode(text)).filter((ids) => ids.length > 0);
  if (strings.length === 0) return [];
  const trials = await probe.trial(strings, probe.freshContexts(4, 18), {
    steps: 24,
    decoding: 'both',
    label: 'suspects',
  });
  return trials.map((scored): Candidate => ({ ...scored, source: 'suspect' }));
}

const DELAYED_SCREENED = 12;
const DELAYED_VERIFIED = 4;

/** Strings below this after verification leave no evidence: the search always finds something. */
const MIN_REPORTED_SCORE = HIT_SCORE;

interface Place {
  readonly path: string;
  readonly frame: Frame;
  readonly referenceGap: number;
  /** Strings that set off the same behaviour share it. */
  readonly behaviourGroup: string;
  readonly isFirstOfGroup: boolean;
}

async function explain(
  probe: BehaviourProbe,
  verified: Verified,
  place: Place,
): Promise<VerifiedTrigger> {
  const { trial } = verified;
  const { frame } = place;
  const habit = await measureHabit(probe, trial);
  const outcome = outcomeOf(verified, habit, frame === 'delayed');
  const description = await describeBehaviour(probe, trial, verified.contexts);
  const recovered =
    frame === 'suffix' && outcome !== 'not-specific' && place.isFirstOfGroup
      ? await recoverTrigger(probe, trial, habit.core)
      : { minimal: trial.tokens, extended: undefined };
  return {
    kind: 'verified-trigger',
    path: place.path,
    outcome,
    source: verified.candidate.source,
    frame,
    behaviourGroup: place.behaviourGroup,
    triggerText: probe.text(trial.tokens),
    triggerTokenIds: [...trial.tokens],
    minimalText: probe.text(recovered.minimal),
    extendedText: probe.text(recovered.extended ?? trial.tokens),
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
    referenceGap: place.referenceGap,
    samples: description.samples,
  };
}

async function verifyDelayed(probe: BehaviourProbe, paths: readonly Path[]): Promise<Verified[]> {
  const found = await delayedCandidates(probe, paths, DELAYED_SCREENED);
  // Near copies are all verified: a token more or less decides here, and the ranking is noisy.
  const chosen = found
    .slice(0, DELAYED_VERIFIED)
    .map((scored): Candidate => ({ ...scored, source: 'leak' }));
  const lengths = new Set(chosen.map(({ tokens }) => tokens.length));
  const controls = await controlRates(probe, lengths);
  const verified: Verified[] = [];
  for (const candidate of chosen) {
    const [trial] = await delayedTrial(
      probe,
      [candidate.tokens],
      probe.settings.verifyContexts,
      'delayed-verify',
    );
    const control = controls.get(candidate.tokens.length);
    if (trial === undefined || control === undefined) continue;
    const hits = trial.scores.filter((score) => score > HIT_SCORE).length;
    verified.push({
      candidate,
      trial,
      contexts: trial.responses.map((): TokenString => [...probe.start, ...candidate.tokens]),
      rate: wilson(hits, trial.scores.length),
      controlRate: control.pooled,
      controlRate90: control.rate90,
      pValue: fisherGreater(hits, trial.scores.length, control.pooled.hits, control.pooled.trials),
    });
  }
  const [strongest] = verified.sort((a, b) => b.trial.score - a.trial.score);
  return strongest === undefined ? [] : [strongest];
}

function sourceScores(ranked: readonly Candidate[]): Partial<Record<CandidateSource, number>> {
  const scores: Partial<Record<CandidateSource, number>> = {};
  for (const { source, score } of best(ranked, ranked.length)) {
    scores[source] = Math.max(scores[source] ?? 0, score);
  }
  return scores;
}
