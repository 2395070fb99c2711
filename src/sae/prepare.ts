/** Which tokens a dictionary is trained on: no BOS or padding, no norm outliers, some held out, one common scale. */
import { ScanError } from '../errors.ts';
import type { Random } from '../random.ts';

export interface PreparedActivations {
  /** [tokens, width], raw units. */
  readonly training: Float32Array;
  readonly heldOut: Float32Array;
  /** Tokens in `training`. */
  readonly tokens: number;
  readonly dropped: number;
  /** Makes the mean norm sqrt(width); training runs on x · scale. */
  readonly scale: number;
}

const MIN_TOKENS = 64;

/** @throws ScanError `E_SAE` when too few finite tokens are left */
export function prepareActivations(
  activations: Float32Array,
  width: number,
  options: {
    readonly skip?: Uint8Array;
    readonly maxNormRatio: number;
    readonly heldOutShare: number;
  },
  random: Random,
): PreparedActivations {
  if (!Number.isSafeInteger(width) || width < 1 || activations.length % width !== 0) {
    throw new ScanError('E_SAE', `${activations.length} values do not make rows of ${width}`);
  }
  const total = activations.length / width;
  const norms = new Float64Array(total);
  for (let row = 0; row < total; row++) {
    let power = 0;
    for (let j = 0; j < width; j++) power += (activations[row * width + j] as number) ** 2;
    norms[row] = Math.sqrt(power);
  }
  const wanted = [...norms.keys()].filter(
    (row) => options.skip?.[row] !== 1 && Number.isFinite(norms[row]),
  );
  const limit = median(wanted.map((row) => norms[row] as number)) * options.maxNormRatio;
  const kept = wanted.filter((row) => (norms[row] as number) <= limit);
  if (kept.length < MIN_TOKENS) {
    throw new ScanError('E_SAE', `${kept.length} usable tokens, a dictionary needs ${MIN_TOKENS}`, {
      hint: 'Give more text.',
    });
  }
  const meanNorm = kept.reduce((sum, row) => sum + (norms[row] as number), 0) / kept.length;
  if (meanNorm === 0) throw new ScanError('E_SAE', 'every activation is zero');
  random.shuffle(kept);
  const share = Math.min(0.5, Math.max(0, options.heldOutShare));
  const heldOut = Math.max(1, Math.floor(kept.length * share));
  const rowsOf = (rows: readonly number[]): Float32Array => {
    const values = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      values.set(activations.subarray(row * width, (row + 1) * width), i * width);
    });
    return values;
  };
  return {
    training: rowsOf(kept.slice(heldOut)),
    heldOut: rowsOf(kept.slice(0, heldOut)),
    tokens: kept.length - heldOut,
    dropped: total - kept.length,
    scale: Math.sqrt(width) / meanNorm,
  };
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
