/** What scans must have in common for their scores to be compared: depth, seed, a base or none, and the text. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PACKAGE_ROOT } from '../entry-point.ts';
import type { CalibrationSettings } from '../judge/calibration.ts';
import { bundledCorpusDigests } from '../probe/corpus.ts';
import type { StageOptions } from './run-stages.ts';

/** @returns undefined where no model is run, or where the corpus that was named is not there */
export function calibrationSettings(
  options: Pick<StageOptions, 'profile' | 'seed' | 'base' | 'corpus'>,
): CalibrationSettings | undefined {
  const { profile, seed, base, corpus } = options;
  if (profile === 'files' || (corpus !== undefined && !existsSync(corpus))) return undefined;
  return {
    profile,
    seed,
    base: base !== undefined,
    corpora: [
      ...(corpus === undefined ? [] : [{ name: basename(corpus), sha256: digestOf(corpus) }]),
      ...bundledCorpusDigests(join(PACKAGE_ROOT, 'corpora')),
    ],
  };
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
