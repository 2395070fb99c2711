/** What the shipped thresholds rest on (`rules/calibration.yaml`), as results say it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { ResultCalibration, Sha256 } from '../finding/finding.ts';
import type { Calibration } from './calibration.ts';
import { BUILTIN_RULES } from './load-rules.ts';
import { readYaml } from './yaml-source.ts';

const FILE = 'rules/calibration.yaml';

const shippedFile = z.strictObject({ name: z.literal('shipped'), basis: z.string().min(1) });

let shipped: ResultCalibration | undefined;

export function shippedCalibration(): ResultCalibration {
  const text = () => readFileSync(join(BUILTIN_RULES, 'calibration.yaml'), 'utf8');
  shipped ??= readYaml(text(), FILE, shippedFile, 'E_RULE').value;
  return shipped;
}

/** What the thresholds of a scan rest on. */
export function calibrationOf(calibration: Calibration | undefined): ResultCalibration {
  if (calibration === undefined) return shippedCalibration();
  const { name, sha256, groups, alpha, settings } = calibration;
  const classes = groups.map((group) => `${group.models.length} of ${group.modelClass}`);
  return {
    name,
    sha256: sha256 as Sha256,
    basis: `Clean models, profile ${settings.profile}, alpha ${alpha}: ${classes.join(', ') || 'none'}. What it does not set is as shipped.`,
  };
}
