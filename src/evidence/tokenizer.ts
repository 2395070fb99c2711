/** Facts about tokenizers: whether they say what they show, and whether their copies agree. */
import type { EvidenceBase } from './evidence.ts';

export type VocabularyProblem =
  | 'shared-id'
  | 'duplicate-token'
  | 'bad-id'
  | 'added-token-moves'
  | 'added-token-takes-id';

/** A vocabulary in which token and id do not belong to each other one to one. */
export interface TokenizerVocabulary extends EvidenceBase<'tokenizer-vocabulary'> {
  readonly problem: VocabularyProblem;
  readonly count: number;
  /** The first of them, as in `"yes" and "no" both have id 17`. */
  readonly example: string;
}

/** Two files of one tokenizer that give different answers. */
export interface TokenizerCopiesDiffer extends EvidenceBase<'tokenizer-copies-differ'> {
  readonly otherPath: string;
  readonly part: 'vocabulary' | 'merges' | 'added-tokens' | 'special-tokens';
  readonly count: number;
  readonly example: string;
}

/** An added token that does not look like what it is. */
export interface AddedTokenText extends EvidenceBase<'added-token-text'> {
  readonly token: string;
  readonly tokenId: number;
  readonly problem: 'hidden-characters' | 'look-alike' | 'sentence' | 'address';
  /** The token that it looks like, the code points, or the words. */
  readonly detail: string;
}

/** A stage of the tokenizer that changes text instead of cutting it. */
export interface TokenizerRewrite extends EvidenceBase<'tokenizer-rewrite'> {
  readonly stage: 'normalizer' | 'pre-tokenizer' | 'post-processor' | 'decoder';
  readonly from: string;
  readonly to: string;
  readonly words: number;
  readonly urls: number;
}

/** Ids that the model has no embedding for. */
export interface TokenIdRange extends EvidenceBase<'token-id-range'> {
  readonly maxId: number;
  readonly vocabSize: number;
  readonly count: number;
  readonly example: string;
}

export type TokenizerEvidence =
  | TokenizerVocabulary
  | TokenizerCopiesDiffer
  | AddedTokenText
  | TokenizerRewrite
  | TokenIdRange;
