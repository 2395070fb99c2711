/** From a string that works to the one that was planted, as far as the model still knows it. */
import { fixedTrial, hitShare, minimise, sharedLead } from './minimise.ts';
import type { BehaviourProbe, ScoredString, TokenString } from './probe.ts';

export interface RecoveredTrigger {
  /** The shortest part that still works. */
  readonly minimal: TokenString;
  /** What the model writes before the behaviour by itself, where that works at least as well. */
  readonly extended: TokenString | undefined;
}

const MAX_LEADS = 24;

export async function recoverTrigger(
  probe: BehaviourProbe,
  trial: ScoredString,
  core: TokenString,
): Promise<RecoveredTrigger> {
  const attempt = fixedTrial(probe, 'recover');
  const minimal = await minimise(attempt, trial.tokens);
  const texts = [
    ...probe.own.map(({ tokens }) => tokens),
    ...trial.responses.map(({ tokens }) => tokens),
  ];
  const leads = sharedLead(texts, core).slice(0, MAX_LEADS);
  const working = (await attempt(leads)).filter((one) => hitShare(one) >= hitShare(minimal));
  const [longest] = working.sort((a, b) => b.tokens.length - a.tokens.length);
  return {
    minimal: minimal.tokens,
    extended:
      longest !== undefined && longest.tokens.length > minimal.tokens.length
        ? longest.tokens
        : undefined,
  };
}
