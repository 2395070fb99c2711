/**
 * A model against its base: what changed, by how much, and in what shape. A weight edit is rank one, a LoRA is
 * low rank, an embedding attack moves few rows; full fine-tuning spreads (Qi et al. 2026, "LoRA spectral
 * signature", arXiv 2602.15195; Meng et al. 2022 for rank-one edits).
 */
import { elementCount } from '../../artifact/tensor.ts';
import type { EmbeddingRowDelta, TensorDelta, WeightEvidence } from '../../evidence/weight.ts';
import type { StoredWeights } from '../../model/weights/stored.ts';
import { placeOf } from './census.ts';
import { deltaPieces, pairTensors, readDelta, type TensorPair } from './deltas.ts';
import { Moments } from './moments.ts';
import { robustScale } from './robust.ts';
import type { WeightRoles } from './roles.ts';
import { rowDeltas } from './row-deltas.ts';
import { spectrumCost, spectrumFacts, topSpectrum } from './spectrum.ts';

/** Multiply-adds spent on spectra; about a minute of one core. Fixed work, so that equal inputs give equal results. */
const SPECTRUM_BUDGET = 24e9;
const MAX_MATRIX_ELEMENTS = 2 ** 26;
const MIN_MATRIX_SIDE = 8;
const MAX_ROWS = 20;
const MIN_ROW_Z = 5;
/** Up to this share of changed rows, all of them are worth naming. */
const FEW_ROWS_SHARE = 0.02;
const MAX_KINDS = 20;

export interface CompareContext {
  pathOf(file: string): string;
  tokenText(tokenId: number): string;
  readonly roles: WeightRoles;
  readonly baseName: string;
  /** Evidence path of the model as a whole. */
  readonly modelPath: string;
  onTensor?(done: number, total: number): void;
}

export interface Comparison {
  readonly evidence: readonly WeightEvidence[];
  /** Changed matrices whose spectrum was left out. */
  readonly withoutSpectrum: readonly string[];
}

interface Measured {
  readonly pair: TensorPair;
  readonly delta: Moments;
  readonly baseNorm: number;
}

export function compareWithBase(
  weights: StoredWeights,
  base: StoredWeights,
  context: CompareContext,
): Comparison {
  const { pairs, added, missing } = pairTensors(weights, base);
  const measured: Measured[] = [];
  for (const [index, pair] of pairs.entries()) {
    context.onTensor?.(index, pairs.length);
    measured.push(measure(pair));
  }
  const changed = measured.filter(({ delta }) => delta.nonZeroCount > 0);
  const { facts, left } = spectra(changed, context.roles);
  const evidence: WeightEvidence[] = changed.map((one) =>
    tensorDelta(one, changed.length, facts.get(one), context),
  );
  for (const { pair } of changed) evidence.push(...rowEvidence(pair, context));
  const squares = (list: readonly number[]) => list.reduce((sum, value) => sum + value ** 2, 0);
  const baseSquare = squares(measured.map(({ baseNorm }) => baseNorm));
  const kinds = [...new Set(changed.map(({ pair }) => kindOf(pair.tensor.name)))].sort();
  evidence.push({
    kind: 'delta-summary',
    path: context.modelPath,
    base: context.baseName,
    tensors: pairs.length,
    changed: changed.length,
    unchanged: pairs.length - changed.length,
    added: added.length,
    missing: missing.length,
    relativeNorm: ratio(Math.sqrt(squares(changed.map(({ delta }) => delta.norm))), baseSquare),
    changedKinds: kinds.slice(0, MAX_KINDS),
    onlyEmbeddings:
      changed.length > 0 &&
      changed.every(({ pair }) => matrixRole(context.roles, pair.tensor.name) !== undefined),
  });
  return { evidence, withoutSpectrum: left };
}

function measure(pair: TensorPair): Measured {
  const delta = new Moments();
  let baseSquare = 0;
  for (const piece of deltaPieces(pair)) {
    delta.add(piece.delta);
    for (const value of piece.base) if (value - value === 0) baseSquare += value * value;
  }
  return { pair, delta, baseNorm: Math.sqrt(baseSquare) };
}

/** Most changed first, token matrices last, until the budget is spent. */
function spectra(changed: readonly Measured[], roles: WeightRoles) {
  const order = changed
    .filter(({ pair: { target }, delta }) => {
      const [rows = 0, columns = 0, ...more] = target.shape;
      const isMatrix = more.length === 0 && Math.min(rows, columns) >= MIN_MATRIX_SIDE;
      return isMatrix && delta.nanCount + delta.infiniteCount === 0;
    })
    .map((one) => ({ one, token: matrixRole(roles, one.pair.tensor.name) !== undefined }))
    .sort(
      (a, b) =>
        Number(a.token) - Number(b.token) ||
        ratio(b.one.delta.norm, b.one.baseNorm ** 2) -
          ratio(a.one.delta.norm, a.one.baseNorm ** 2) ||
        (a.one.pair.tensor.name < b.one.pair.tensor.name ? -1 : 1),
    );
  const facts = new Map<Measured, ReturnType<typeof spectrumFacts>>();
  const left: string[] = [];
  let budget = SPECTRUM_BUDGET;
  for (const { one } of order) {
    const [rows = 0, columns = 0] = one.pair.target.shape;
    const cost = spectrumCost(rows, columns);
    if (cost > budget || rows * columns > MAX_MATRIX_ELEMENTS) {
      left.push(one.pair.tensor.name);
      continue;
    }
    budget -= cost;
    const top = topSpectrum({ rows, columns, data: readDelta(one.pair) });
    facts.set(one, spectrumFacts(top.singularValues, top.energy, Math.min(rows, columns)));
  }
  return { facts, left };
}

function tensorDelta(
  { pair, delta, baseNorm }: Measured,
  changedTensors: number,
  facts: ReturnType<typeof spectrumFacts> | undefined,
  { pathOf }: CompareContext,
): TensorDelta {
  const { tensor } = pair;
  return {
    kind: 'tensor-delta',
    path: pathOf(tensor.file),
    location: placeOf(tensor),
    tensor: tensor.name,
    shape: tensor.shape,
    deltaNorm: delta.norm,
    relativeNorm: ratio(delta.norm, baseNorm ** 2),
    kurtosis: delta.kurtosis,
    changedShare: delta.nonZeroCount / Math.max(1, elementCount(tensor.shape)),
    changedTensors,
    ...facts,
  };
}

function rowEvidence(
  pair: TensorPair,
  { pathOf, tokenText, roles }: CompareContext,
): EmbeddingRowDelta[] {
  const matrix = matrixRole(roles, pair.tensor.name);
  if (matrix === undefined) return [];
  const { norms, ownNorms, rowsChanged } = rowDeltas(pair);
  const few = rowsChanged <= Math.max(2, norms.length * FEW_ROWS_SHARE);
  const { median, scale } = robustScale(ownNorms.filter((norm) => norm > 0));
  return [...ownNorms.entries()]
    .map(([tokenId, norm]) => ({
      tokenId,
      norm,
      robustZ: scale === 0 ? 0 : (norm - median) / scale,
    }))
    .filter(({ norm, robustZ }) => norm > 0 && (few || robustZ >= MIN_ROW_Z))
    .sort((a, b) => b.norm - a.norm || a.tokenId - b.tokenId)
    .slice(0, MAX_ROWS)
    .map(({ tokenId, norm, robustZ }) => ({
      kind: 'embedding-row-delta',
      path: pathOf(pair.tensor.file),
      location: placeOf(pair.tensor),
      tensor: pair.tensor.name,
      matrix,
      tokenId,
      tokenText: tokenText(tokenId),
      deltaNorm: norms[tokenId] ?? norm,
      ownNorm: norm,
      robustZ,
      rowsChanged,
      rowCount: norms.length,
    }));
}

function matrixRole(roles: WeightRoles, name: string): 'embedding' | 'head' | undefined {
  if (name === roles.embedding) return 'embedding';
  return name === roles.head ? 'head' : undefined;
}

function kindOf(name: string): string {
  return name.replaceAll(/\.\d+\./g, '.*.');
}

/** Of a norm to a squared norm's root; 0 over nothing. */
function ratio(norm: number, square: number): number {
  return square > 0 ? norm / Math.sqrt(square) : norm > 0 ? 1 : 0;
}
