/**
 * joblib writes array bytes raw into the pickle stream, after the BUILD of a `NumpyArrayWrapper`, and reads
 * them itself. Source: joblib `numpy_pickle.py` (`NumpyArrayWrapper.read_array`).
 */
import type { PickleReader } from '../../../artifact/pickle/reader.ts';
import type { ResultValue, Value } from '../../../artifact/pickle/values.ts';

const WRAPPERS = new Set([
  'joblib.numpy_pickle.NumpyArrayWrapper',
  'sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper',
]);

export type RawArray =
  | { readonly kind: 'raw'; readonly byteLength: number }
  | { readonly kind: 'pickled' };

/** What follows the wrapper's BUILD, or nothing when the instance is no wrapper or its fields are unknown. */
export function joblibArray(
  instance: ResultValue,
  state: Value,
  reader: PickleReader,
): RawArray | undefined {
  if (!isWrapper(instance) || state.kind !== 'dict') return undefined;
  const field = (name: string): Value | undefined =>
    state.entries.findLast(([key]) => key.kind === 'text' && key.text === name)?.[1];
  const itemBytes = itemSize(field('dtype'));
  const shape = field('shape');
  if (itemBytes === undefined || shape?.kind !== 'tuple') return undefined;
  if (itemBytes === 'object') return { kind: 'pickled' };
  let count = 1;
  for (const side of shape.items) {
    if (side.kind !== 'number' || !Number.isSafeInteger(side.value) || side.value < 0)
      return undefined;
    count *= side.value;
  }
  let padding = 0;
  if (field('numpy_array_alignment_bytes')?.kind === 'number') {
    if (reader.atEnd) return undefined;
    padding = 1 + (reader.source.read(reader.offset, 1)[0] as number);
  }
  const byteLength = padding + count * itemBytes;
  return Number.isSafeInteger(byteLength) ? { kind: 'raw', byteLength } : undefined;
}

function isWrapper(instance: ResultValue): boolean {
  return instance.callee.kind === 'global' && WRAPPERS.has(instance.callee.name);
}

/** From `numpy.dtype('f8', …)`; structured types carry their size in the BUILD state and are not sized here. */
function itemSize(dtype: Value | undefined): number | 'object' | undefined {
  if (dtype?.kind !== 'result') return undefined;
  const code = dtype.args[0];
  if (code?.kind === 'global') return scalarSize(code.name);
  if (code?.kind !== 'text') return undefined;
  const match = /^[<>=|]?([biufcSUVOmM?])(\d*)$/.exec(code.text);
  if (match === null) return undefined;
  if (match[1] === 'O') return 'object';
  const width = match[2] === '' ? (match[1] === '?' ? 1 : 0) : Number(match[2]);
  return match[1] === 'U' ? width * 4 : width;
}

function scalarSize(name: string): number | undefined {
  const bits = /(?:u?int|float|complex)(\d+)$/.exec(name)?.[1];
  return bits === undefined ? undefined : Number(bits) / 8;
}
