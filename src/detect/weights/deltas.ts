/** A model's tensors minus its base's, streamed: names matched, storage rounding told from change. */
import { elementCount } from '../../artifact/tensor.ts';
import { pieces, type TensorValues } from '../../artifact/values/tensor-values.ts';
import type { StoredTensor, StoredWeights } from '../../model/weights/stored.ts';

export interface TensorPair {
  readonly tensor: StoredTensor;
  readonly target: TensorValues;
  readonly base: TensorValues;
}

export interface Pairing {
  readonly pairs: readonly TensorPair[];
  readonly added: readonly string[];
  readonly missing: readonly string[];
}

/** Wrappers that the same weights are saved with or without. */
const PREFIXES = ['', 'model.', 'transformer.', 'base_model.model.', 'bert.', 'roberta.'];

export function pairTensors(weights: StoredWeights, base: StoredWeights): Pairing {
  const pairs: TensorPair[] = [];
  const added: string[] = [];
  const used = new Set<string>();
  for (const tensor of weights.tensors.values()) {
    if (tensor.values === undefined) continue;
    const match = counterpart(tensor, base);
    if (match?.values === undefined) added.push(tensor.name);
    else {
      used.add(match.name);
      pairs.push({ tensor, target: tensor.values, base: match.values });
    }
  }
  const missing = [...base.tensors.values()]
    .filter(({ name, values }) => values !== undefined && !used.has(name))
    .map(({ name }) => name);
  return { pairs, added, missing };
}

function counterpart(tensor: StoredTensor, base: StoredWeights): StoredTensor | undefined {
  const { name, shape } = tensor;
  const stripped = PREFIXES.filter((prefix) => name.startsWith(prefix)).map((prefix) =>
    name.slice(prefix.length),
  );
  const names = [name, ...stripped, ...PREFIXES.map((prefix) => prefix + name)];
  for (const candidate of names) {
    const found = base.tensors.get(candidate);
    if (found?.shape.join() === shape.join()) return found;
  }
  return undefined;
}

/** Relative step between neighbours of a storage type: what cutting or rounding to it can change. */
function roundingUnit(storage: string): number {
  if (storage === 'bf16') return 2 ** -7;
  if (storage === 'f16') return 2 ** -10;
  if (storage === 'f8e4m3') return 2 ** -3;
  if (storage === 'f8e5m2') return 2 ** -2;
  return storage === 'f32' || storage === 'f64' ? 2 ** -23 : 0;
}

/** Differences no larger than what saving in another type does are none. */
function toleranceOf({ target, base }: TensorPair): number {
  if (target.storage === base.storage) return 0;
  return Math.max(roundingUnit(target.storage), roundingUnit(base.storage));
}

export interface DeltaPiece {
  readonly first: number;
  readonly delta: Float32Array;
  readonly base: Float32Array;
}

export function* deltaPieces(pair: TensorPair): Generator<DeltaPiece, void, undefined> {
  const { target, base } = pair;
  const tolerance = toleranceOf(pair);
  const joint = { ...target, granularity: lcm(target.granularity, base.granularity) };
  for (const { first, data } of pieces(joint)) {
    const baseData = base.read(first, data.length);
    const delta = new Float32Array(data.length);
    for (let i = 0; i < data.length; i++) {
      const from = baseData[i] as number;
      const difference = (data[i] as number) - from;
      delta[i] = Math.abs(difference) <= tolerance * Math.abs(from) ? 0 : difference;
    }
    yield { first, delta, base: baseData };
  }
}

/** The whole difference; the caller has bounded its size. */
export function readDelta(pair: TensorPair): Float32Array {
  const all = new Float32Array(elementCount(pair.target.shape));
  for (const { first, delta } of deltaPieces(pair)) all.set(delta, first);
  return all;
}

function lcm(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
