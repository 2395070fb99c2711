/**
 * Every further trigger: what the verified behaviours say is explained to the reference, and what the sources found
 * is judged once more, so that a weaker trigger is not hidden behind a stronger one. The sources themselves are not
 * run again.
 */
import { bestWindow, excesses, maskWordRest } from './certainty.ts';
import type { BehaviourProbe, TokenString } from './probe.ts';
import { type Candidate, cutPaths, searchCandidates } from './search.ts';
import { leakExcess, leakPaths } from './sources/leak.ts';
import { motifPaths } from './sources/motif.ts';
import type { Path } from './sources/path.ts';
import { type Sweep, sweepPaths } from './sources/sweep.ts';
import { differentCandidates, HIT_SCORE, type Verified, verifyCandidates } from './verify.ts';

const VERIFIED = 3;

/** What the first search had; a source that was off gave nothing. */
export interface SourceFindings {
  readonly leaks: boolean;
  readonly motifs: boolean;
  readonly sweep: Sweep | undefined;
  readonly strong: readonly Candidate[];
}

export interface FurtherResult {
  /** Judges without what is known already. */
  readonly probe: BehaviourProbe;
  readonly verified: readonly Verified[];
}

/** @param known verified strings whose behaviour is to be left out */
export async function searchFurther(
  probe: BehaviourProbe,
  findings: SourceFindings,
  known: readonly Verified[],
): Promise<FurtherResult> {
  const masked = probe.explaining(known.flatMap(behaviourTexts));
  const paths = maskedPaths(masked, findings).filter(({ score }) => score > HIT_SCORE);
  const strong = findings.strong
    .map((one): Candidate => ({ ...one, score: scoreAlone(masked, one) }))
    .filter(({ score }) => score > HIT_SCORE);
  if (paths.length === 0 && strong.length === 0) return { probe: masked, verified: [] };
  probe.progress('further triggers', 0, paths.length);
  const cut = cutPaths(paths);
  const { ranked } = await searchCandidates(masked, cut, strong);
  const chosen = differentCandidates(ranked, VERIFIED).filter(({ score }) => score > HIT_SCORE);
  if (chosen.length === 0) return { probe: masked, verified: [] };
  const verified = await verifyCandidates(masked, chosen, cut.length + strong.length);
  return { probe: masked, verified: verified.sort((a, b) => b.trial.score - a.trial.score) };
}

/** The string with each of its responses: both may have been planted. */
function behaviourTexts({ trial }: Verified): TokenString[] {
  return trial.responses
    .filter((_, i) => (trial.scores[i] ?? 0) > HIT_SCORE)
    .map(({ tokens }) => [...trial.tokens, ...tokens]);
}

function maskedPaths(probe: BehaviourProbe, findings: SourceFindings): Path[] {
  const paths: Path[] = [];
  if (findings.leaks || findings.motifs) {
    const excess = probe.own.map((sample) => leakExcess(sample, probe.reference));
    const windows = excess.map((values) => bestWindow(values));
    if (findings.leaks) paths.push(...leakPaths(probe, windows));
    if (findings.motifs) paths.push(...motifPaths(probe, excess));
  }
  if (findings.sweep !== undefined) paths.push(...sweepPaths(probe, findings.sweep));
  return paths;
}

/** The responses of an earlier screen under this reference; the screen's contexts are not kept and hardly matter. */
function scoreAlone(probe: BehaviourProbe, { tokens, responses }: Candidate): number {
  const scores = responses.map((response) => {
    const row = [...tokens, ...response.tokens];
    const logReference = probe.reference.logProbabilities(row, 0, tokens.length);
    const values = excesses(response.probabilities, logReference);
    return bestWindow(maskWordRest(values, response.tokens, probe.beginsWord)).score;
  });
  return Math.min(...scores.sort((a, b) => b - a).slice(0, Math.ceil(scores.length / 2)));
}
