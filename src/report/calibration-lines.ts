/** What a calibration changed on one target, and what of it was not applied, in plain sentences. */
import type { TargetResult } from '../finding/finding.ts';

const MAX_LINES = 20;

const number = (value: number): string => String(Number(value.toPrecision(4)));
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;

export function calibrationLines({ calibration }: TargetResult): readonly string[] {
  if (calibration === undefined) return [];
  const { name, modelClass, models, thresholds, notApplied, withheld } = calibration;
  const against =
    models > 0 && modelClass !== undefined ? ` (${models} clean models of ${modelClass})` : '';
  const set = thresholds.map(
    ({ ruleId, threshold, shipped, above, certifies }) =>
      `${ruleId} ${threshold}: above ${number(above)} instead of ${number(shipped)}; at most ${percent(certifies)} of clean models`,
  );
  const lost = withheld.map(
    ({ ruleId, level, value, pValue }) =>
      `Withheld: ${ruleId} (${level} as shipped) at ${number(value)}, conformal p-value ${number(pValue)}`,
  );
  return [`${name}${against}`, ...lost, ...set, ...notApplied].slice(0, MAX_LINES);
}
