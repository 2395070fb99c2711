/**
 * The search once more with a base model in the reference's place: what the model says after a string and the base
 * would not. It sees behaviours that text explains (words said twice, a few common words), but also whatever a
 * fine-tune was for, so nothing found here alone is called a backdoor.
 */

import type { Engine } from '../../engine/engine.ts';
import type { VerifiedTrigger } from '../../evidence/behaviour.ts';
import type { Model } from '../../model/open-model.ts';
import { logLikelihoods } from './base-likelihood.ts';
import { type ExplainOptions, explain } from './explain.ts';
import type { BehaviourProbe, TokenString } from './probe.ts';
import { cutPaths, searchCandidates } from './search.ts';
import { baseDifferencePaths } from './sources/base-difference.ts';
import { differentCandidates, verifyCandidates } from './verify.ts';

/** A model of the same vocabulary, and where it runs. */
export interface BaseModel {
  readonly model: Model;
  readonly engine: Engine;
}

const VERIFIED = 3;

export async function searchAgainstBase(
  probe: BehaviourProbe,
  { model, engine }: BaseModel,
  told: ExplainOptions,
): Promise<VerifiedTrigger[]> {
  const { maxPositions } = model.spec;
  const against = probe.against(async (rows: readonly TokenString[]) => {
    const cut = rows.map((row) => row.slice(0, maxPositions));
    probe.generator.tokens += cut.reduce((sum, row) => sum + row.length, 0);
    return logLikelihoods(model, engine, cut);
  });
  const strings = cutPaths(await baseDifferencePaths(probe, model, engine));
  const { ranked } = await searchCandidates(against, strings, []);
  const chosen = differentCandidates(ranked, VERIFIED);
  const found: VerifiedTrigger[] = [];
  for (const verified of await verifyCandidates(against, chosen, strings.length)) {
    const fact = await explain(against, verified, 'suffix', told);
    if (fact === undefined) continue;
    const outcome = fact.outcome === 'backdoored' ? 'locked-text' : fact.outcome;
    found.push({ ...fact, outcome });
  }
  return found;
}
