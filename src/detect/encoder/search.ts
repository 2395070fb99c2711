/** From single tokens to strings: a sweep of the vocabulary, a second look at the best, growth at either end. */
import { RandomStream } from '../../probe/random.ts';
import { inTurn } from './in-turn.ts';
import { best, type Contexts, distinct, type EncoderProbe, type ScoredString } from './probe.ts';
import { costPerToken, type EncoderSettings } from './settings.ts';
import { type TokenString, typed } from './texts.ts';

const MAX_STRING_TOKENS = 10;
/** Reserved rows that no text is ever encoded to. */
const UNUSED = /^\s?[[<](unused|extra_id_|reserved_special_token_)\d+[\]>]$/i;

export interface Sweep {
  /** Tokens that were swept, of how many that text can be made of. */
  readonly swept: number;
  readonly usable: number;
  readonly kept: readonly ScoredString[];
}

/** @param seed chooses which tokens are swept when the model is too large for all of them */
export async function sweepVocabulary<T>(
  probe: EncoderProbe<T>,
  screen: Contexts,
  settings: EncoderSettings,
  seed: number,
): Promise<Sweep> {
  const { tokenizer, embedder } = probe;
  const tokens = usableTokens(probe);
  const lengths = screen.carriers.map(
    ({ before, after }) => tokenizer.encode(`${before} ${after}`).length + 3,
  );
  const perString = lengths.reduce((sum, length) => sum + length, 0);
  const affordable = settings.screenBudget / (perString * costPerToken(embedder.model.spec));
  const random = new RandomStream(seed, 'sweep');
  const swept = affordable >= tokens.length ? tokens : random.sample(tokens, affordable);
  const scored = await probe.scores(
    swept.map((token) => [token]),
    screen,
    'vocabulary',
  );
  return {
    swept: swept.length,
    usable: tokens.length,
    kept: best(scored, settings.rescoreKeep),
  };
}

export function usableTokens<T>({ tokenizer }: EncoderProbe<T>): number[] {
  return Array.from({ length: tokenizer.vocabularySize }, (_, id) => id).filter((id) => {
    const text = tokenizer.tokenText(id);
    return text.trim() !== '' && !tokenizer.special.has(id) && !UNUSED.test(text);
  });
}

/** The best strings of each length of search; a string is its tokens as typed text has them. */
export async function grow<T>(
  probe: EncoderProbe<T>,
  contexts: Contexts,
  seeds: readonly TokenString[],
  pool: readonly number[],
  settings: EncoderSettings,
): Promise<ScoredString[][]> {
  const { tokenizer } = probe;
  const asTyped = distinct(seeds.map((seed) => typed(tokenizer, seed)));
  const rounds = [best(await probe.scores(asTyped, contexts, 'seeds'), asTyped.length)];
  let frontier: readonly TokenString[] = seeds.slice(0, settings.beam);
  for (let round = 0; round < settings.growRounds; round++) {
    const longer = frontier.flatMap((string) =>
      pool.flatMap((token) => [
        typed(tokenizer, [token, ...string]),
        typed(tokenizer, [...string, token]),
      ]),
    );
    const wanted = distinct(longer).filter((string) => string.length <= MAX_STRING_TOKENS);
    const scored = best(await probe.scores(wanted, contexts, 'growth'), settings.beam);
    if (scored.length === 0) break;
    rounds.push(scored);
    frontier = scored.map(({ tokens }) => tokens);
  }
  return rounds;
}

/** The best of each round in turn: a short string must not be crowded out by its own longer forms. */
export function interleave(
  rounds: readonly (readonly ScoredString[])[],
  count: number,
): TokenString[] {
  return distinct(inTurn(rounds).map(({ tokens }) => tokens)).slice(0, count);
}
