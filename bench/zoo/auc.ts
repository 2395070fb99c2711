/** Probability that a planted model scores above a clean one; ties count half. */
export function areaUnderCurve(
  planted: readonly number[],
  clean: readonly number[],
): number | undefined {
  if (planted.length === 0 || clean.length === 0) return undefined;
  let won = 0;
  for (const a of planted) for (const b of clean) won += a > b ? 1 : a === b ? 0.5 : 0;
  return won / (planted.length * clean.length);
}
