/** The shortest form of a string that still works, and the longer one that works more surely: often the planted one. */
import { type Contexts, distinct, type EncoderProbe } from './probe.ts';
import { type TokenString, typed } from './texts.ts';
import { type Trial, tryString } from './verify.ts';

/** A shorter string must keep this share of the hits. */
const KEEP_SHARE = 0.8;
/** A longer string must close this share of what is missing to a complete collapse. */
const MIN_GAIN = 0.25;
/** A string this near to a complete effect has no need of more, and what it gains is noise. */
const COMPLETE = 0.99;
const MAX_ADDED_TOKENS = 6;

/** Drops a token at a time, the one that costs least first. */
export async function minimise<T>(
  probe: EncoderProbe<T>,
  whole: Trial<T>,
  search: Contexts,
  fresh: Contexts,
): Promise<Trial<T>> {
  let current = whole;
  while (current.tokens.length > 1) {
    const { tokens } = current;
    const shorter = tokens.map((_, i) => probe.tokenizer.decodeInside(tokens.toSpliced(i, 1)));
    let next: Trial<T> | undefined;
    for (const text of new Set(shorter.map((one) => one.trim()).filter((one) => one !== ''))) {
      const trial = await tryString(probe, text, search, fresh);
      if (trial.tokens.length >= tokens.length) continue;
      if (!probe.effect.sameTarget(trial.target, whole.target)) continue;
      if (trial.rate.rate < KEEP_SHARE * whole.rate.rate) continue;
      if (next === undefined || trial.rate.rate > next.rate.rate || trial.moved > next.moved) {
        next = trial;
      }
    }
    if (next === undefined) break;
    current = next;
  }
  return current;
}

/** Adds the token, before or after, that brings the string nearest to a complete effect, while that helps. */
export async function extend<T>(
  probe: EncoderProbe<T>,
  start: TokenString,
  contexts: Contexts,
  pool: readonly number[],
): Promise<TokenString> {
  const ceiling = probe.effect.ceiling(contexts.plain);
  let [current] = await probe.scores([start], contexts, 'extension');
  if (current === undefined) return start;
  for (let added = 0; added < MAX_ADDED_TOKENS; added++) {
    const { tokens, score } = current;
    if (score >= COMPLETE * ceiling) break;
    const longer = pool.flatMap((token) => [
      typed(probe.tokenizer, [token, ...tokens]),
      typed(probe.tokenizer, [...tokens, token]),
    ]);
    const wanted = distinct(longer).filter(({ length }) => length > tokens.length);
    const scored = await probe.scores(wanted, contexts, 'extension');
    const [next] = scored.sort((a, b) => b.score - a.score);
    if (next === undefined || next.score - score < MIN_GAIN * (ceiling - score)) break;
    current = next;
  }
  return current.tokens;
}
