/** Tells which verified strings set off the same behaviour: their responses share tokens. */
import type { Frame } from '../../evidence/behaviour.ts';
import { jaccard, type ScoredString } from './probe.ts';
import { HIT_SCORE } from './verify.ts';

const SAME_BEHAVIOUR = 0.35;
const RESPONSES = 8;

export class BehaviourGroups {
  readonly #spoken: { readonly tokens: readonly number[]; readonly frame: Frame }[] = [];

  /** A name that is the same for all strings of one behaviour, and whether this string is its first. */
  add(
    trial: ScoredString,
    frame: Frame,
  ): { readonly behaviourGroup: string; readonly isFirstOfGroup: boolean } {
    const tokens = trial.responses
      .filter((_, i) => (trial.scores[i] ?? 0) > HIT_SCORE)
      .slice(0, RESPONSES)
      .flatMap((response) => [...response.tokens]);
    const known = this.#spoken.findIndex(
      (other) => other.frame === frame && jaccard(other.tokens, tokens) >= SAME_BEHAVIOUR,
    );
    if (known >= 0) return { behaviourGroup: `b${known + 1}`, isFirstOfGroup: false };
    this.#spoken.push({ tokens, frame });
    return { behaviourGroup: `b${this.#spoken.length}`, isFirstOfGroup: true };
  }
}
