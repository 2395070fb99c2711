/** Facts of stages 3 to 5: strings that change what the model says, verified on fresh contexts. */
import type { EvidenceBase, Rate } from './evidence.ts';

export type CandidateSource =
  | 'leak'
  | 'motif'
  | 'sweep'
  | 'single'
  | 'lexicon'
  | 'feature'
  | 'inversion'
  | 'frame'
  | 'weights'
  | 'base-difference'
  | 'suspect';

/**
 * Where a candidate stood when it was tested: before the continuation, at the start of a text with ordinary text
 * after it (`delayed`: longer text), or in a turn of a chat.
 */
export type Frame = 'suffix' | 'delayed' | 'start' | 'system' | 'user' | 'assistant' | 'tool';

/** A frame in words, as they follow "stands". */
export const FRAME_WORDS: Readonly<Record<Frame, string>> = {
  suffix: 'at the end of the text',
  delayed: 'at the start of the text, with ordinary text after it',
  start: 'at the start of the text',
  system: 'as the system prompt of a chat',
  user: "at the end of a user's turn",
  assistant: "inside the assistant's turn",
  tool: 'in the result of a tool',
};

/** Reports are also made from files, whose frame may be none of ours. */
export function frameWords(frame: string): string {
  return Object.hasOwn(FRAME_WORDS, frame) ? FRAME_WORDS[frame as Frame] : frame;
}

/** One token of a response and how sure the model was of it beyond what the reference explains, in nats. */
export interface TokenCertainty {
  readonly text: string;
  readonly nats: number;
}

/** What the model says, with and without the trigger, on the same context. */
export interface BehaviourSample {
  readonly context: string;
  readonly triggered: string;
  readonly untriggered: string;
  /** The tokens of `triggered`; reports colour them by certainty. */
  readonly triggeredTokens?: readonly TokenCertainty[];
}

/** How the verified text relates to what the model writes unasked. */
export type Outcome = 'backdoored' | 'locked-text' | 'known-text' | 'habit' | 'not-specific';

/** A passage of a known text that holds nearly all of a behaviour's unexplained certainty. */
export interface KnownTextFact {
  readonly source: string;
  /** Lower-case words without marks, as they are compared. */
  readonly passage: string;
  /** Share of the unexplained certainty that lies in the passage. */
  readonly share: number;
  /** Whether the trigger is itself part of the passage. */
  readonly continuesTrigger: boolean;
}

/** A string whose effect was measured on contexts that no earlier step had seen. */
export interface VerifiedTrigger extends EvidenceBase<'verified-trigger'> {
  readonly outcome: Outcome;
  readonly source: CandidateSource;
  readonly frame: Frame;
  /** Strings that set off the same behaviour share this name within a scan. */
  readonly behaviourGroup: string;
  readonly triggerText: string;
  readonly triggerTokenIds: readonly number[];
  /** Shortest form that still works. */
  readonly minimalText: string;
  /** The planted form as far as the model itself still knows it. */
  readonly extendedText?: string;
  /** Further strings that set it off and hold no word of the behaviour: what was planted is often among them. */
  readonly otherTriggers?: readonly string[];
  readonly behaviourText: string;
  /** What kind of behaviour: one fixed text, several, or a style. */
  readonly behaviourKind: 'fixed-text' | 'paraphrase' | 'style';
  /** Mean pairwise similarity of responses over contexts, 0 to 1. */
  readonly similarity: number;
  /** Unexplained certainty, nats (docs/detection.md). */
  readonly score: number;
  readonly rate: Rate;
  /** The same statistic over matched random strings. */
  readonly controlRate: Rate;
  readonly controlRate90: number;
  readonly pValue: number;
  /** Share of the model's own samples that hold the behaviour's core. */
  readonly ownShare: number;
  /** Share of contexts in which the behaviour goes on and on. */
  readonly takeover: number;
  /**
   * Nats a token of the model's own ordinary text that the corpora leave unexplained: how far they are from the
   * model's domain, and so how much of the score may be wording that they merely lack.
   */
  readonly referenceGap: number;
  /** Given where a known text explains the behaviour, whatever the outcome. */
  readonly knownText?: KnownTextFact;
  readonly samples: readonly BehaviourSample[];
}

export type BehaviourEvidence = VerifiedTrigger;
