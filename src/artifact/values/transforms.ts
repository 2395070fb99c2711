/** Tensors made from other tensors while they are read: nothing larger than a piece is held, save for a transpose. */
import { ScanError } from '../../errors.ts';
import { elementCount } from '../tensor.ts';
import { readAll, readRows, type TensorValues } from './tensor-values.ts';

const MAX_TRANSPOSED_ELEMENTS = 2 ** 28;

export function renamed(values: TensorValues, name: string): TensorValues {
  const { located } = values;
  return { ...values, name, ...(located !== undefined && { located: { ...located, name } }) };
}

/** No longer the bytes in the file. */
function derived(values: TensorValues, changes: Partial<TensorValues>): TensorValues {
  const { located: _located, ...rest } = values;
  return { ...rest, ...changes };
}

/** Every value plus a constant. */
export function shifted(values: TensorValues, by: number): TensorValues {
  return derived(values, {
    read: (first, count) => values.read(first, count).map((value) => value + by),
  });
}

/** Row r of the result is row `order(r)` of the source. */
export function reorderedRows(values: TensorValues, order: (row: number) => number): TensorValues {
  const width = elementCount(values.shape.slice(1));
  return derived(values, {
    granularity: width,
    read: (first, count) => {
      const out = new Float32Array(count);
      const firstRow = first / width;
      for (let row = 0; row < count / width; row++) {
        out.set(readRows(values, order(firstRow + row), 1), row * width);
      }
      return out;
    },
  });
}

/** One matrix of a stack along the first dimension. */
export function slice(values: TensorValues, index: number, name: string): TensorValues {
  const shape = values.shape.slice(1);
  const size = elementCount(shape);
  const rest = derived(values, {
    name,
    shape,
    read: (first, count) => values.read(index * size + first, count),
  });
  const { located } = values;
  if (located === undefined) return rest;
  const bytes = located.byteLength / (values.shape[0] ?? 1);
  const byteOffset = located.byteOffset + index * bytes;
  return { ...rest, located: { ...located, name, shape, byteOffset, byteLength: bytes } };
}

/** @throws ScanError `E_LIMIT` at reading when the matrix is too large to be held */
export function transposed(values: TensorValues): TensorValues {
  const [rows = 0, columns = 0] = values.shape;
  let whole: Float32Array | undefined;
  return derived(values, {
    shape: [columns, rows],
    granularity: 1,
    read: (first, count) => {
      whole ??= readTransposed(values, rows, columns);
      const piece = whole.slice(first, first + count);
      // Streams read to the end once; the copy is not kept beyond that.
      if (first + count === rows * columns) whole = undefined;
      return piece;
    },
  });
}

function readTransposed(values: TensorValues, rows: number, columns: number): Float32Array {
  if (rows * columns > MAX_TRANSPOSED_ELEMENTS) {
    throw new ScanError('E_LIMIT', `tensor "${values.name}" is too large to be transposed`);
  }
  const source = readAll(values);
  const out = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = source[r * columns + c] as number;
  }
  return out;
}
