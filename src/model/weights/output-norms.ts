/** DoRA's second half: every output of an updated matrix is scaled to a norm of its own (arXiv 2402.09353, PEFT `dora.py`). */
import { readAll, readRows, type TensorValues } from '../../artifact/values/tensor-values.ts';

/**
 * @param magnitude norm of each output
 * @param turned whether outputs are columns, as in Conv1D; then the matrix is read twice
 */
export function withOutputNorms(
  updated: TensorValues,
  magnitude: TensorValues,
  turned: boolean,
): TensorValues {
  const [rows = 0, width = 0] = updated.shape;
  let wanted: Float32Array | undefined;
  let columns: Float64Array | undefined;
  return {
    ...updated,
    granularity: width,
    read: (first, count) => {
      wanted ??= readAll(magnitude);
      if (turned) columns ??= columnNorms(updated, rows, width);
      const firstRow = first / width;
      const out = readRows(updated, firstRow, count / width).slice();
      for (let row = 0; row < count / width; row++) {
        const line = out.subarray(row * width, (row + 1) * width);
        const norm = turned ? 1 : normOf(line);
        const magnitudeOfRow = wanted[firstRow + row] ?? 0;
        for (let c = 0; c < width; c++) {
          const value = line[c] as number;
          line[c] = turned
            ? (value * (wanted[c] ?? 0)) / (columns?.[c] ?? 1)
            : (value * magnitudeOfRow) / norm;
        }
      }
      return out;
    },
  };
}

function normOf(line: Float32Array): number {
  let power = 0;
  for (const value of line) power += value * value;
  return Math.sqrt(power);
}

function columnNorms(matrix: TensorValues, rows: number, width: number): Float64Array {
  const powers = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    readRows(matrix, row, 1).forEach((value, c) => {
      (powers[c] as number) += value * value;
    });
  }
  return powers.map(Math.sqrt);
}
