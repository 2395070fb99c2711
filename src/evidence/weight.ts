/** Facts of stage 1: tensors, read once as numbers, alone or against a base model. */
import type { EvidenceBase } from './evidence.ts';

/** Weights that are not numbers; nothing computed from them can be trusted. */
export interface NonFiniteTensor extends EvidenceBase<'non-finite-tensor'> {
  readonly tensor: string;
  readonly nanCount: number;
  readonly infiniteCount: number;
  readonly elementCount: number;
}

/** An input-embedding row far from its peers (robust z over row norms). */
export interface EmbeddingOutlier extends EvidenceBase<'embedding-outlier'> {
  readonly tensor: string;
  readonly tokenId: number;
  readonly tokenText: string;
  readonly norm: number;
  readonly robustZ: number;
}

export type WeightEvidence = NonFiniteTensor | EmbeddingOutlier;
