/**
 * Fingerprints: the identity of a finding between runs. Made of rule, path and subject only; scores, indices
 * and offsets never enter, so a better measurement of the same thing is the same finding.
 */
import { createHash } from 'node:crypto';
import type { Fingerprint } from '../finding/finding.ts';

/** First 128 bits of SHA-256, hex. `occurrence` tells apart findings that are otherwise equal. */
export function fingerprintOf(
  ruleId: string,
  path: string,
  subject: readonly unknown[],
  occurrence = 0,
): Fingerprint {
  const canonical = JSON.stringify([
    'narrowfire/v1',
    ruleId,
    path.normalize('NFC'),
    subject.map((value) => value ?? null),
    ...(occurrence === 0 ? [] : [occurrence]),
  ]);
  return createHash('sha256').update(canonical).digest('hex').slice(0, 32) as Fingerprint;
}
