/** How much each profile spends. Thresholds of judgement live in `rules/`; these are sizes of searches. */

import type { CandidateSource } from '../../evidence/behaviour.ts';

export type SearchDepth = 'quick' | 'standard' | 'deep';

export interface BehaviourSettings {
  readonly ownSamples: number;
  readonly ownSampleTokens: number;
  readonly sweepContexts: number;
  /** Extend each token's sweep by its likely next tokens. */
  readonly sweepPairs: boolean;
  /** Tokens of a larger vocabulary that survive the one-step screen. */
  readonly sweepTokens: number;
  readonly sweepKeep: number;
  readonly leakKeep: number;
  readonly motifKeep: number;
  readonly singleKeep: number;
  readonly lexiconWords: number;
  readonly lexiconKeep: number;
  /** Strings that survive each screen of the search. */
  readonly searchKeep: readonly [number, number, number];
  readonly verifyStrings: number;
  readonly verifyContexts: number;
  readonly controlStrings: number;
  readonly controlContexts: number;
  readonly delayed: boolean;
  /** Searches for another trigger after a first one was found, each with what is known left out. */
  readonly furtherRounds: number;
  readonly sources: ReadonlySet<CandidateSource>;
}

const ALL_SOURCES: ReadonlySet<CandidateSource> = new Set<CandidateSource>([
  'leak',
  'motif',
  'sweep',
  'single',
  'lexicon',
  'feature',
  'inversion',
  'frame',
  'weights',
  'base-difference',
  'suspect',
]);

function without(
  sources: ReadonlySet<CandidateSource>,
  ...left: readonly CandidateSource[]
): ReadonlySet<CandidateSource> {
  return new Set([...sources].filter((source) => !left.includes(source)));
}

/** Inversion led to no string that the others had not (docs/detection.md): it is there for the bench. */
const SOURCES = without(ALL_SOURCES, 'inversion');

const STANDARD: BehaviourSettings = {
  ownSamples: 1536,
  ownSampleTokens: 96,
  sweepContexts: 8,
  sweepPairs: true,
  sweepTokens: 2000,
  sweepKeep: 10,
  leakKeep: 12,
  motifKeep: 12,
  singleKeep: 12,
  lexiconWords: 5000,
  lexiconKeep: 24,
  searchKeep: [120, 40, 16],
  verifyStrings: 5,
  verifyContexts: 48,
  controlStrings: 200,
  controlContexts: 4,
  delayed: true,
  furtherRounds: 2,
  sources: SOURCES,
};

const QUICK: BehaviourSettings = {
  ...STANDARD,
  ownSamples: 512,
  ownSampleTokens: 80,
  sweepContexts: 4,
  sweepPairs: false,
  sweepTokens: 1000,
  sweepKeep: 6,
  leakKeep: 8,
  motifKeep: 6,
  singleKeep: 0,
  lexiconWords: 800,
  lexiconKeep: 8,
  searchKeep: [60, 24, 8],
  verifyStrings: 3,
  verifyContexts: 24,
  controlStrings: 60,
  delayed: false,
  furtherRounds: 0,
  sources: without(SOURCES, 'frame'),
};

const DEEP: BehaviourSettings = {
  ...STANDARD,
  ownSamples: 4096,
  sweepContexts: 12,
  sweepKeep: 24,
  leakKeep: 32,
  motifKeep: 32,
  singleKeep: 24,
  lexiconWords: 15_000,
  lexiconKeep: 48,
  searchKeep: [300, 100, 32],
  verifyStrings: 8,
  verifyContexts: 96,
  controlContexts: 8,
};

export function behaviourSettings(profile: SearchDepth): BehaviourSettings {
  if (profile === 'quick') return QUICK;
  return profile === 'deep' ? DEEP : STANDARD;
}
