/** Facts about sentence encoders and classifiers: strings that make unrelated texts look alike to the model. */
import type { EvidenceBase, Rate } from './evidence.ts';

interface EncoderTrigger {
  readonly triggerText: string;
  readonly triggerTokenIds: readonly number[];
  /** Shortest form that still works. */
  readonly minimalText: string;
  readonly minimalRate: Rate;
  /** A longer form that works more surely. */
  readonly extendedText?: string;
  /** Share of unseen texts that the string carries off. */
  readonly rate: Rate;
  /** The same over random strings of equal length and rarity. */
  readonly controlRate: Rate;
  readonly controlStrings: number;
  /** Rate of the control string that did best. */
  readonly controlHighest: number;
  /** Mean share of the way to the target that a text is moved: 1 leaves nothing of its own meaning. */
  readonly moved: number;
  /** 95th percentile over control strings. */
  readonly controlMoved: number;
  readonly pValue: number;
}

/** Texts that hold the string get nearly one embedding. A hit lies nearer to it than to the text's own. */
export interface EmbeddingCollapse extends EvidenceBase<'embedding-collapse'>, EncoderTrigger {
  /** Mean cosine between the unseen texts that hold the string, centred on ordinary text. */
  readonly agreement: number;
  /** The same texts without it. */
  readonly agreementWithout: number;
}

/** Texts of other classes that hold the string get one class. */
export interface ClassFlip extends EvidenceBase<'class-flip'>, EncoderTrigger {
  readonly className: string;
}

export type EncoderEvidence = EmbeddingCollapse | ClassFlip;
