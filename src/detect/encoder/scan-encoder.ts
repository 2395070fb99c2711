/**
 * Search and verification over an encoder or classifier: sweep of the vocabulary, growth, verification in fresh texts
 * against matched random strings, shortest and longest working form.
 */
import { ScanError } from '../../errors.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';
import type { Corpus } from '../../probe/corpus.ts';
import type { Embedder, TextReading } from '../../probe/embedder.ts';
import { RandomStream } from '../../probe/random.ts';
import { matchedStrings, Rarity } from './controls.ts';
import type { Effect } from './effect.ts';
import { best, type Contexts, distinct, EncoderProbe, type Progress, readTexts } from './probe.ts';
import { extend, minimise } from './refine.ts';
import { grow, interleave, sweepVocabulary, usableTokens } from './search.ts';
import type { EncoderSettings } from './settings.ts';
import { type Carrier, CarrierSource, carry, tokensInside, typed } from './texts.ts';
import { type Trial, tryString, type Verified, verify } from './verify.ts';

/** Texts that short contexts are chosen from, for each one wanted. */
const CHOICE = 12;
/** Texts whose tokens tell how rare a token is. */
const RARITY_TEXTS = 1500;
/** Tokens of ordinary text, most frequent first, that strings may grow by: a phrase has common words too. */
const FREQUENT_TOKENS = 48;
/** A token that only continues a word needs a beginning. */
const BEGINNINGS = [...'abcdefghijklmnopqrstuvwxyz0123456789'];
const MIN_CARRIERS = 8;
/** Positions kept for a string and special tokens. */
const STRING_ROOM = 12;
const EXTENSION_CONTEXTS = 6;
const RATIO_TEXTS = 64;
const RATIO_WORDS = 8;
const CAUSAL_CONTROLS = 8;
/** Texts in which the string to verify is chosen and shortened; it is verified in others. */
const CHOOSING_CONTEXTS = 18;

export interface EncoderScanOptions<T> {
  readonly embedder: Embedder;
  /** The same model in eight bits, for the sweep of the vocabulary. */
  readonly screenEmbedder?: Embedder;
  readonly effect: (ordinary: readonly TextReading[]) => Effect<T>;
  readonly settings: EncoderSettings;
  readonly corpora: readonly Corpus[];
  readonly seed: number;
  /** Strings that the search starts from beside the sweep's best. */
  readonly canonical: readonly string[];
  /** Strings that are verified whatever the search says. */
  readonly suspects: readonly string[];
  readonly progress: Progress;
}

export interface FoundString<T> extends Verified<T> {
  readonly minimal: Trial<T>;
  /** Where a longer form works more surely. */
  readonly extendedText?: string;
  /** Whether it beats its controls: what did not was refined no further. */
  readonly works: boolean;
  /** Random strings as long and as rare as the minimal form. */
  readonly minimalControls: readonly string[];
}

export interface EncoderScan<T> {
  readonly probe: EncoderProbe<T>;
  /** The strongest string of each target, strongest first. */
  readonly found: readonly FoundString<T>[];
  readonly swept: number;
  readonly usable: number;
  readonly fresh: Contexts;
}

/** The probe and contexts of the sweep: eight-bit ones where there are any; what it keeps is scored again without. */
async function screened<T>(
  { screenEmbedder, progress }: EncoderScanOptions<T>,
  probe: EncoderProbe<T>,
  effect: Effect<T>,
  contexts: Contexts,
): Promise<readonly [EncoderProbe<T>, Contexts]> {
  if (screenEmbedder === undefined) return [probe, contexts];
  const screen = new EncoderProbe<T>(screenEmbedder, effect, progress);
  return [screen, await screen.contexts(contexts.carriers)];
}

/** @throws ScanError `E_CORPUS` when there is too little text, and the engine's errors */
export async function scanEncoder<T>(options: EncoderScanOptions<T>): Promise<EncoderScan<T>> {
  const { embedder, settings, corpora, seed } = options;
  const { tokenizer } = embedder.model;
  const source = new CarrierSource(corpora, seed);
  // A text that is cut could lose the string at its end.
  const room = Math.floor((embedder.maxPositions - STRING_ROOM) / tokensPerWord(tokenizer, source));
  const take = (count: number, words: number): Carrier[] => {
    return source.take(count, Math.max(1, Math.min(words, room)));
  };
  const ordinary = take(settings.verifyContexts, settings.verifyWords);
  if (ordinary.length < MIN_CARRIERS) {
    throw new ScanError('E_CORPUS', `texts to try strings in: ${ordinary.length}, too few`);
  }
  const effect = options.effect(
    await readTexts(
      embedder,
      ordinary.map((one) => carry(one)),
    ),
  );
  const probe = new EncoderProbe<T>(embedder, effect, options.progress);
  const apart = async (count: number, words: number): Promise<Contexts> => {
    const offered = await probe.contexts(take(count * CHOICE, words));
    return pick(offered, effect.choose(offered.plain, count));
  };
  const screen = await apart(settings.screenContexts, settings.screenWords);
  const second = await apart(settings.rescoreContexts, settings.rescoreWords);

  const sweep = await sweepVocabulary(
    ...(await screened(options, probe, effect, screen)),
    settings,
    seed,
  );
  const listed = [...options.suspects, ...options.canonical].map((text) =>
    tokensInside(tokenizer, text),
  );
  const seeds = distinct([...listed, ...sweep.kept.map(({ tokens }) => tokens)]);
  const rescored = best(await probe.scores(seeds, second, 'second look'), seeds.length);
  const usable = new Set(usableTokens(probe));
  const rarity = new Rarity(
    tokenizer.vocabularySize,
    corpora.flatMap(({ documents }) =>
      documents.slice(0, RARITY_TEXTS / corpora.length).map((text) => tokenizer.encode(text)),
    ),
    (id) => usable.has(id),
    (id) => tokenizer.beginsWord(id),
  );
  const pool = growthPool(
    probe,
    rescored.flatMap(({ tokens }) => tokens),
    rarity,
    settings,
  );
  const rounds = await grow(
    probe,
    pick(second, effect.choose(second.plain, settings.growContexts)),
    rescored.map(({ tokens }) => tokens),
    pool,
    settings,
  );

  const choosing = await probe.contexts(take(CHOOSING_CONTEXTS, settings.verifyWords));
  // Texts that are of the class already tell nothing about it.
  const texts = settings.verifyContexts * (effect.kind === 'class' ? 2 : 1);
  const fresh = await probe.contexts(take(texts, settings.verifyWords));
  const trials: Trial<T>[] = [];
  const searched = interleave(rounds, settings.verifyStrings);
  const candidates = searched.map((tokens) => tokenizer.decodeInside(tokens).trim());
  for (const text of new Set([...options.suspects, ...candidates])) {
    trials.push(await tryString(probe, text, second, choosing));
  }
  const found: FoundString<T>[] = [];
  for (const { text } of strongestOfEachTarget(trials, effect)) {
    const trial = await tryString(probe, text, second, fresh);
    const random = new RandomStream(seed, `controls ${trial.text}`);
    const controls = matchedStrings(probe, rarity, trial.tokens, settings.controlStrings, random);
    const checked = await verify(probe, trial, second, fresh, controls, settings.controlContexts);
    const works = checked.rate.low > checked.controlRate.high;
    const refined = works
      ? await refine(checked, { probe, second, choosing, fresh, pool })
      : undefined;
    const { tokens } = refined?.minimal ?? trial;
    const minimalControls = matchedStrings(probe, rarity, tokens, CAUSAL_CONTROLS, random);
    found.push({ ...checked, minimal: trial, ...refined, works, minimalControls });
  }
  return { probe, found, swept: sweep.swept, usable: sweep.usable, fresh };
}

interface RefineInput<T> {
  readonly probe: EncoderProbe<T>;
  readonly second: Contexts;
  readonly choosing: Contexts;
  readonly fresh: Contexts;
  readonly pool: readonly number[];
}

async function refine<T>(
  checked: Verified<T>,
  { probe, second, choosing, fresh, pool }: RefineInput<T>,
): Promise<Pick<FoundString<T>, 'minimal' | 'extendedText'>> {
  const whole = await tryString(probe, checked.text, second, choosing);
  const { text } = await minimise(probe, whole, second, choosing);
  const minimal = await tryString(probe, text, second, fresh);
  const few = pick(choosing, probe.effect.choose(choosing.plain, EXTENSION_CONTEXTS));
  const longest = await extend(probe, minimal.tokens, few, pool);
  const extendedText = probe.tokenizer.decodeInside(longest).trim();
  return { minimal, ...(longest.length > minimal.tokens.length && { extendedText }) };
}

/** Of nearly the densest texts. */
function tokensPerWord(tokenizer: Tokenizer, source: CarrierSource): number {
  const density = source
    .peek(RATIO_TEXTS, RATIO_WORDS)
    .map((carrier) => tokenizer.encode(carry(carrier)).length / RATIO_WORDS)
    .toSorted((a, b) => a - b);
  return Math.max(1, density[Math.floor(density.length * 0.95)] ?? 1);
}

function growthPool<T>(
  { tokenizer }: EncoderProbe<T>,
  ranked: readonly number[],
  rarity: Rarity,
  { growTokens }: EncoderSettings,
): number[] {
  const beginnings = BEGINNINGS.flatMap((letter) =>
    typed(tokenizer, tokensInside(tokenizer, letter)),
  );
  const common = rarity.frequent(FREQUENT_TOKENS);
  const rest = new Set([...beginnings, ...common]);
  return [...new Set([...ranked.slice(0, growTokens), ...rest])];
}

/** One string for each target; the most hits, then the shortest. */
function strongestOfEachTarget<T>(trials: readonly Trial<T>[], effect: Effect<T>): Trial<T>[] {
  const order = trials.toSorted(
    (a, b) => b.rate.rate - a.rate.rate || b.moved - a.moved || a.tokens.length - b.tokens.length,
  );
  const kept: Trial<T>[] = [];
  for (const trial of order) {
    if (!kept.some((one) => effect.sameTarget(one.target, trial.target))) kept.push(trial);
  }
  return kept;
}

function pick({ carriers, plain }: Contexts, indices: readonly number[]): Contexts {
  return {
    carriers: indices.flatMap((i) => carriers[i] ?? []),
    plain: indices.flatMap((i) => plain[i] ?? []),
  };
}
