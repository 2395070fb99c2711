/**
 * Stages 3 to 5 on one language model: sources of candidates, search, verification, recovery of the trigger, outcome.
 * Returns evidence only; rules decide what it means.
 */
import type { CandidateSource, Frame, VerifiedTrigger } from '../../evidence/behaviour.ts';
import type { NotCovered } from '../../evidence/evidence.ts';
import type { Corpus } from '../../probe/corpus.ts';
import type { Generator } from '../../probe/generation.ts';
import { agreeOnFixedTexts } from './agree.ts';
import { type BaseModel, searchAgainstBase } from './base-search.ts';
import { verifyDelayed } from './delayed.ts';
import { explain } from './explain.ts';
import { type SourceFindings, searchFurther } from './further.ts';
import { BehaviourGroups } from './groups.ts';
import type { KnownText } from './known-text.ts';
import { openProbe } from './open-probe.ts';
import { type BehaviourProbe, best, type ProbeProgress, type ScoredString } from './probe.ts';
import { scanChat, turnsNotTried } from './scan-chat.ts';
import { type Candidate, type CandidateString, cutPaths, searchCandidates } from './search.ts';
import type { BehaviourSettings } from './settings.ts';
import { searchFrames, verifyOpenings } from './sources/frames.ts';
import { inversionStrings } from './sources/inversion.ts';
import { leakPaths } from './sources/leak.ts';
import { lexiconCandidates, lexiconStrings } from './sources/lexicon.ts';
import { motifPaths } from './sources/motif.ts';
import type { Path } from './sources/path.ts';
import { singleTokens } from './sources/single.ts';
import { sweepPaths, sweepVocabulary } from './sources/sweep.ts';
import { differentCandidates, type Verified, verifyCandidates } from './verify.ts';

export interface BehaviourInput {
  readonly generator: Generator;
  readonly settings: BehaviourSettings;
  /** Path that evidence carries. */
  readonly path: string;
  /** Text that explains ordinary continuations; a user's own (`--corpus`) explains far more. */
  readonly corpora: readonly Corpus[];
  readonly canonical: readonly string[];
  /** Passages that many corpora hold: a behaviour that is one of them is no secret. */
  readonly knownText?: KnownText;
  /** Lines that say where the model stands (dates, speakers, deployments), tried as frames. */
  readonly frameLines?: readonly string[];
  /** Strings that the user suspects (`--suspect`): they reach the last screen and verification whatever they score. */
  readonly suspects?: readonly string[];
  /** Further strings from other stages: SAE features, weights, `--suspect`. */
  readonly extra?: (probe: BehaviourProbe) => Promise<readonly CandidateString[]>;
  /** What the model was made from, where it is known. */
  readonly base?: BaseModel;
  readonly progress?: ProbeProgress;
}

export interface BehaviourResult {
  readonly evidence: readonly VerifiedTrigger[];
  readonly notCovered: readonly NotCovered[];
  readonly probe: BehaviourProbe;
  /** Every string that was verified, for benches. */
  readonly verified: readonly Verified[];
  /** Nats a token of the model's own text that the corpora leave unexplained. */
  readonly referenceGap: number;
  /** Score of the strongest verified string whatever its outcome, reported or not; 0 when nothing was verified. */
  readonly bestScore: number;
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
  const sweep = uses('sweep') ? await sweepVocabulary(probe) : undefined;
  if (sweep !== undefined) paths.push(...sweepPaths(probe, sweep));
  const frames = uses('frame') ? await searchFrames(probe, input.frameLines ?? []) : undefined;
  paths.push(...(frames?.paths ?? []));
  const strong: Candidate[] = [];
  const tried: ScoredString[] = [];
  if (uses('lexicon')) {
    const documents = input.corpora.flatMap((corpus) => corpus.documents);
    const strings = lexiconStrings(probe, { documents, canonical: input.canonical });
    const found = await lexiconCandidates(probe, strings);
    tried.push(...found.all);
    strong.push(...found.kept.map((scored): Candidate => ({ ...scored, source: 'lexicon' })));
  }
  if (uses('single')) {
    const found = await singleTokens(probe);
    strong.push(...found.map((scored): Candidate => ({ ...scored, source: 'single' })));
  }
  const cut = [
    ...cutPaths(paths),
    ...(frames?.strings ?? []),
    ...(uses('inversion') ? await inversionStrings(probe, paths) : []),
    ...((await input.extra?.(probe)) ?? []),
  ];
  const search = await searchCandidates(probe, cut, strong);
  const { ranked } = search;
  tried.push(...search.tried);
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
  if (frames !== undefined) {
    for (const one of await verifyOpenings(probe, frames, OPENINGS_VERIFIED)) {
      framed.push([one, one.place.frame]);
    }
  }
  const { path, knownText } = input;
  const told = { path, behaviours, tried, ...(knownText !== undefined && { knownText }) };
  for (const [one, frame] of framed) {
    const fact = await explain(probe, one, frame, told);
    if (fact !== undefined) evidence.push(fact);
  }
  const findings = { leaks: uses('leak'), motifs: uses('motif'), sweep, strong };
  evidence.push(
    ...(await furtherTriggers(probe, findings, { input, behaviours, verified, evidence })),
  );
  const againstBase =
    input.base !== undefined && uses('base-difference')
      ? await searchAgainstBase(probe, input.base, told)
      : [];
  const notCovered: NotCovered[] = [];
  if (frames === undefined) notCovered.push(...turnsNotTried(probe));
  else {
    const { path, frameLines: lines = [] } = input;
    const raw = best(ranked, RAW_IN_CHAT).map(({ tokens }) => tokens);
    const chat = await scanChat(probe, { path, lines, raw, behaviours });
    evidence.push(...chat.evidence);
    notCovered.push(...chat.notCovered);
  }
  const scores = [...framed.map(([one]) => one.trial.score), ...evidence.map(({ score }) => score)];
  return {
    // Scores against a base have another zero: they take no part in the best score.
    evidence: [...agreeOnFixedTexts(evidence), ...againstBase],
    notCovered,
    probe,
    verified: framed.map(([one]) => one),
    referenceGap,
    bestScore: Math.max(0, ...scores.filter(Number.isFinite)),
    sourceScores: sourceScores(ranked),
  };
}

interface FirstResults {
  readonly input: BehaviourInput;
  readonly behaviours: BehaviourGroups;
  readonly verified: readonly Verified[];
  readonly evidence: readonly VerifiedTrigger[];
}

/** Searches on as long as each round finds another behaviour. */
async function furtherTriggers(
  probe: BehaviourProbe,
  findings: SourceFindings,
  first: FirstResults,
): Promise<VerifiedTrigger[]> {
  const { input, behaviours } = first;
  const further: VerifiedTrigger[] = [];
  const groups = new Set(first.evidence.map(({ behaviourGroup }) => behaviourGroup));
  let known = first.verified;
  let isFound = first.evidence.some(isBackdoor);
  for (let round = 0; round < probe.settings.furtherRounds && isFound; round++) {
    const { probe: masked, verified } = await searchFurther(probe, findings, known);
    known = [...known, ...verified];
    isFound = false;
    for (const one of verified) {
      const fact = await explain(masked, one, 'suffix', { path: input.path, behaviours });
      if (fact === undefined || !isBackdoor(fact) || groups.has(fact.behaviourGroup)) continue;
      groups.add(fact.behaviourGroup);
      further.push(fact);
      isFound = true;
    }
  }
  return further;
}

function isBackdoor({ outcome, frame }: VerifiedTrigger): boolean {
  return outcome === 'backdoored' && frame === 'suffix';
}

async function suspectCandidates(
  probe: BehaviourProbe,
  suspects: readonly string[],
): Promise<Candidate[]> {
  const { tokenizer } = probe.generator.model;
  const strings = suspects
    .map((text) => tokenizer.encodeInside(text))
    .filter((ids) => ids.length > 0);
  if (strings.length === 0) return [];
  const trials = await probe.trial(strings, probe.freshContexts(4, 18), {
    steps: 24,
    decoding: 'both',
    label: 'suspects',
  });
  return trials.map((scored): Candidate => ({ ...scored, source: 'suspect' }));
}

const OPENINGS_VERIFIED = 2;
const RAW_IN_CHAT = 8;

function sourceScores(ranked: readonly Candidate[]): Partial<Record<CandidateSource, number>> {
  const scores: Partial<Record<CandidateSource, number>> = {};
  for (const { source, score } of best(ranked, ranked.length)) {
    scores[source] = Math.max(scores[source] ?? 0, score);
  }
  return scores;
}
