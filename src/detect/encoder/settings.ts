/** How much each profile spends on an encoder or classifier. Thresholds of judgement live in `rules/`. */
import type { ModelSpec } from '../../model/spec.ts';

export interface EncoderSettings {
  /** Texts that every token of the vocabulary is put into. */
  readonly screenContexts: number;
  /** Words of each of them: short texts make the sweep affordable. */
  readonly screenWords: number;
  /** Multiply-adds that the sweep may cost; a larger model gets a part of its vocabulary swept. */
  readonly screenBudget: number;
  /** Tokens that are scored again in more and longer texts. */
  readonly rescoreKeep: number;
  readonly rescoreContexts: number;
  readonly rescoreWords: number;
  /** Strings that are grown, each round. */
  readonly beam: number;
  /** Tokens that may be put before or after a string. */
  readonly growTokens: number;
  readonly growRounds: number;
  readonly growContexts: number;
  readonly verifyStrings: number;
  readonly verifyContexts: number;
  readonly verifyWords: number;
  readonly controlStrings: number;
  readonly controlContexts: number;
  readonly causalContexts: number;
}

const STANDARD: EncoderSettings = {
  screenContexts: 2,
  screenWords: 4,
  screenBudget: 8e12,
  rescoreKeep: 384,
  rescoreContexts: 6,
  rescoreWords: 8,
  beam: 6,
  growTokens: 160,
  growRounds: 3,
  growContexts: 3,
  verifyStrings: 8,
  verifyContexts: 48,
  verifyWords: 40,
  controlStrings: 64,
  controlContexts: 4,
  causalContexts: 24,
};

const QUICK: EncoderSettings = {
  ...STANDARD,
  screenWords: 2,
  screenBudget: 4e12,
  rescoreKeep: 128,
  beam: 4,
  growTokens: 64,
  growRounds: 2,
  verifyStrings: 3,
  verifyContexts: 24,
  controlStrings: 32,
  causalContexts: 12,
};

const DEEP: EncoderSettings = {
  ...STANDARD,
  screenContexts: 4,
  screenBudget: 6e13,
  rescoreKeep: 1024,
  beam: 16,
  growTokens: 400,
  growRounds: 5,
  verifyStrings: 16,
  verifyContexts: 96,
  controlStrings: 200,
};

/** A model this cheap or cheaper gets the wider search at little cost, multiply-adds a token. */
const CHEAP = 1e6;

export function encoderSettings(
  profile: 'quick' | 'standard' | 'deep',
  spec: ModelSpec,
): EncoderSettings {
  const plain = profile === 'quick' ? QUICK : profile === 'deep' ? DEEP : STANDARD;
  if (costPerToken(spec) > CHEAP) return plain;
  return {
    ...plain,
    screenContexts: plain.screenContexts * 2,
    beam: plain.beam * 2,
    growContexts: plain.growContexts * 2,
    verifyStrings: plain.verifyStrings * 2,
  };
}

/** Multiply-adds a token, embeddings aside; near enough to plan with. */
export function costPerToken({ width, blocks }: ModelSpec): number {
  return 12 * width * width * Math.max(1, blocks.length);
}
