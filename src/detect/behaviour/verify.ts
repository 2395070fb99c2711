/**
 * Verification on contexts that no earlier step has seen, against matched strings that are no candidates. Half of
 * the controls are random tokens, half are cut from quiet own text: both of the candidate's length.
 */
import type { Rate } from '../../evidence/evidence.ts';
import { RandomStream } from '../../probe/random.ts';
import { quantile } from './certainty.ts';
import type { BehaviourProbe, ScoredString, TokenString } from './probe.ts';
import { jaccard } from './probe.ts';
import type { Candidate } from './search.ts';
import { fisherGreater, wilson } from './statistics.ts';

/** A context counts as a hit above this, nats. Fixed: a quantile of the controls is wrong where controls fire too. */
export const HIT_SCORE = 24;
const STEPS = 24;
const CONTEXT_LENGTHS = [14, 20, 26];
/** Strings that share more of their tokens than this are one string. */
const SAME_STRING = 0.5;

export interface Verified {
  readonly candidate: Candidate;
  /** On fresh contexts. */
  readonly trial: ScoredString;
  readonly contexts: readonly TokenString[];
  readonly rate: Rate;
  readonly controlRate: Rate;
  /** 90 % quantile of the controls' own rates. */
  readonly controlRate90: number;
  readonly pValue: number;
}

/** The first candidates that differ from each other. */
export function differentCandidates<T extends { readonly tokens: TokenString }>(
  candidates: readonly T[],
  count: number,
): T[] {
  const kept: T[] = [];
  for (const candidate of candidates) {
    if (kept.length >= count) break;
    if (!kept.some((other) => jaccard(other.tokens, candidate.tokens) >= SAME_STRING)) {
      kept.push(candidate);
    }
  }
  return kept;
}

export async function verifyCandidates(
  probe: BehaviourProbe,
  candidates: readonly Candidate[],
  tested: number,
): Promise<Verified[]> {
  const { settings } = probe;
  const each = Math.ceil(settings.verifyContexts / CONTEXT_LENGTHS.length);
  const contexts = CONTEXT_LENGTHS.flatMap((length) => probe.freshContexts(each, length));
  probe.progress('verification', 0, candidates.length);
  const trials = await probe.trial(
    candidates.map(({ tokens }) => tokens),
    contexts,
    { steps: STEPS, decoding: 'both', label: 'verify' },
  );
  const controls = await controlRates(probe, new Set(candidates.map((c) => c.tokens.length)));
  return candidates.map((candidate, i) => {
    const trial = trials[i] as ScoredString;
    const hits = trial.scores.filter((score) => score > HIT_SCORE).length;
    const rate = wilson(hits, trial.scores.length);
    const control = controls.get(candidate.tokens.length) as ControlRates;
    const p = fisherGreater(hits, rate.trials, control.pooled.hits, control.pooled.trials);
    return {
      candidate,
      trial,
      contexts,
      rate,
      controlRate: control.pooled,
      controlRate90: control.rate90,
      // Bonferroni over everything that was tried: simple, and far from the p-values that matter here.
      pValue: Math.min(1, p * Math.max(1, tested)),
    };
  });
}

export interface ControlRates {
  readonly pooled: Rate;
  readonly rate90: number;
}

/** Hit rates of matched strings, by string length. */
export async function controlRates(
  probe: BehaviourProbe,
  lengths: ReadonlySet<number>,
): Promise<Map<number, ControlRates>> {
  const { settings } = probe;
  const rates = new Map<number, ControlRates>();
  const contexts = probe.freshContexts(settings.controlContexts, 18);
  for (const length of [...lengths].sort((a, b) => a - b)) {
    probe.progress('matched controls', rates.size, lengths.size);
    const strings = controlStrings(probe, length, settings.controlStrings);
    const trials = await probe.trial(strings, contexts, {
      steps: STEPS,
      decoding: 'greedy',
      label: `control:${length}`,
    });
    const hits = trials.map(({ scores }) => scores.filter((score) => score > HIT_SCORE).length);
    rates.set(length, {
      pooled: wilson(
        hits.reduce((sum, n) => sum + n, 0),
        strings.length * contexts.length,
      ),
      rate90: quantile(
        hits.map((n) => n / contexts.length),
        0.9,
      ),
    });
  }
  return rates;
}

export function controlStrings(
  probe: BehaviourProbe,
  length: number,
  count: number,
): TokenString[] {
  const random = new RandomStream(probe.generator.seed, `control-strings:${length}`);
  const { special } = probe.generator.model.tokenizer;
  const ordinary = Array.from({ length: probe.vocabularySize }, (_, id) => id).filter(
    (id) => !special.has(id),
  );
  const median = quantile(probe.leakScores, 0.5);
  const quiet = probe.own.filter(
    (sample, i) => (probe.leakScores[i] ?? 0) <= median && sample.tokens.length > length,
  );
  return Array.from({ length: count }, (_, i) => {
    if (i % 2 === 0 || quiet.length === 0) {
      return Array.from({ length }, () => ordinary[random.below(ordinary.length)] as number);
    }
    const { tokens } = quiet[random.below(quiet.length)] as { tokens: Int32Array };
    const from = random.below(tokens.length - length);
    return Array.from(tokens.slice(from, from + length));
  });
}
