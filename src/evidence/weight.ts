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

/** Several tensors with the same bits, none of them constant or known to be tied. */
export interface IdenticalTensors extends EvidenceBase<'identical-tensors'> {
  readonly tensor: string;
  /** The others, sorted, at most 20. */
  readonly others: readonly string[];
  readonly tensorCount: number;
  readonly elementCount: number;
}

/** Shape of an update of one matrix: energies are shares of the squared Frobenius norm. */
export interface SpectrumFacts {
  readonly topSingularValue: number;
  readonly top1Energy: number;
  readonly top20Energy: number;
  /** Squared Frobenius over squared spectral norm: 1 for a rank-one update. */
  readonly stableRank: number;
  /** Entropy of the energies over its largest value, 0 to 1; what the top 20 miss counts as spread evenly. */
  readonly spectralEntropy: number;
  /** Largest first, at most 20; reports plot them. */
  readonly singularValues: readonly number[];
}

/** One tensor against the same tensor of the base. Spectral facts are there for matrices. */
export interface TensorDelta extends EvidenceBase<'tensor-delta'>, Partial<SpectrumFacts> {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly deltaNorm: number;
  /** Norm of the change over the norm of the base tensor. */
  readonly relativeNorm: number;
  /** Excess kurtosis of the change's elements; about 0 for a Gaussian. */
  readonly kurtosis: number;
  /** Share of elements that differ. */
  readonly changedShare: number;
  /** How many tensors of the model changed at all. */
  readonly changedTensors: number;
}

/** What the whole comparison covered. */
export interface DeltaSummary extends EvidenceBase<'delta-summary'> {
  readonly base: string;
  readonly tensors: number;
  readonly changed: number;
  readonly unchanged: number;
  /** Only in the scanned model, or of another shape in the base. */
  readonly added: number;
  /** Only in the base. */
  readonly missing: number;
  readonly relativeNorm: number;
  /** Changed tensors with layer numbers as `*`, sorted, at most 20. */
  readonly changedKinds: readonly string[];
  /** Whether all that changed are token embeddings (or the head tied to them). */
  readonly onlyEmbeddings: boolean;
}

/** Rows of a token matrix that moved more than their peers. */
export interface EmbeddingRowDelta extends EvidenceBase<'embedding-row-delta'> {
  readonly tensor: string;
  readonly matrix: 'embedding' | 'head';
  readonly tokenId: number;
  readonly tokenText: string;
  readonly deltaNorm: number;
  /** Without the directions in which most rows moved together. */
  readonly ownNorm: number;
  /** Of `ownNorm`, against the rows that changed. */
  readonly robustZ: number;
  readonly rowsChanged: number;
  readonly rowCount: number;
}

/** One low-rank pair of an adapter, from the adapter alone. */
export interface AdapterSpectrum extends EvidenceBase<'adapter-spectrum'>, SpectrumFacts {
  readonly module: string;
  readonly rank: number;
  readonly scale: number;
  readonly shape: readonly number[];
  readonly frobeniusNorm: number;
  readonly kurtosis: number;
}

export type WeightEvidence =
  | NonFiniteTensor
  | EmbeddingOutlier
  | IdenticalTensors
  | TensorDelta
  | DeltaSummary
  | EmbeddingRowDelta
  | AdapterSpectrum;
