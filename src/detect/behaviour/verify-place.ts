/** Verification of strings at a place, on fresh text, against strings of the same length and of the same shape. */
import { quantile } from './certainty.ts';
import { sameShape } from './frame-lines.ts';
import { type Place, placeFillers, placeRow, placeTrial } from './place.ts';
import type { BehaviourProbe, ScoredString, TokenString } from './probe.ts';
import type { Candidate } from './search.ts';
import { fisherGreater, wilson } from './statistics.ts';
import { controlStrings, HIT_SCORE, type Verified } from './verify.ts';

const CONTROLS_PER_KIND = 30;
const CONTROL_RUNS = 4;

export interface PlacedVerified extends Verified {
  readonly place: Place;
}

/** @param tested how many strings were tried at all places, for the correction of p-values */
export async function verifyAtPlace(
  probe: BehaviourProbe,
  place: Place,
  candidate: Candidate,
  tested: number,
): Promise<PlacedVerified> {
  const { tokens } = candidate;
  const fillers = placeFillers(probe, place, probe.settings.verifyContexts);
  const [trial] = await placeTrial(probe, place, [tokens], fillers, { label: 'verify' });
  if (trial === undefined) throw new Error('a trial gave no result');
  const controls = await controlTrials(probe, place, tokens);
  const controlHits = controls.map(hitCount);
  const runs = controls.reduce((sum, { scores }) => sum + scores.length, 0);
  const controlRate = wilson(
    controlHits.reduce((sum, hits) => sum + hits, 0),
    runs,
  );
  const hits = hitCount(trial);
  const p = fisherGreater(hits, trial.scores.length, controlRate.hits, controlRate.trials);
  return {
    place,
    candidate,
    trial,
    contexts: fillers.map((filler) => placeRow(place, [], filler)),
    rate: wilson(hits, trial.scores.length),
    controlRate,
    controlRate90: quantile(
      controlHits.map((n, i) => n / Math.max(1, controls[i]?.scores.length ?? 0)),
      0.9,
    ),
    pValue: Math.min(1, p * Math.max(1, tested)),
  };
}

function hitCount({ scores }: ScoredString): number {
  return scores.filter((score) => score > HIT_SCORE).length;
}

async function controlTrials(
  probe: BehaviourProbe,
  place: Place,
  tokens: TokenString,
): Promise<ScoredString[]> {
  const fillers = placeFillers(probe, place, CONTROL_RUNS);
  const strings = [
    ...sameShape(probe, tokens, CONTROLS_PER_KIND),
    ...controlStrings(probe, tokens.length, CONTROLS_PER_KIND),
  ];
  return placeTrial(probe, place, strings, fillers, { label: `control:${tokens.length}` });
}
