/** What the user decided about findings: when to fail, what to accept, what was known before. */
import type { Finding, Fingerprint } from '../finding/finding.ts';
import type { FailOn } from './verdict.ts';

/** One accepted finding. Every field that is given must match; expired entries no longer suppress. */
export interface Ignore {
  readonly rule?: string | undefined;
  /** Glob over the finding's path. */
  readonly path?: string | undefined;
  readonly tensor?: string | undefined;
  /** SHA-256 of the file. */
  readonly digest?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly reason: string;
  /** ISO date; the entry holds through that day. */
  readonly until?: string | undefined;
  /** `narrowfire.yaml:12`. */
  readonly source: string;
}

/** What a baseline remembers of a finding. */
export type KnownFinding = Pick<
  Finding,
  'fingerprint' | 'ruleId' | 'ruleName' | 'level' | 'path' | 'message'
>;

/** Findings of an earlier scan, by fingerprint. */
export type Baseline = ReadonlyMap<Fingerprint, KnownFinding>;

export interface Policy {
  readonly failOn: FailOn;
  readonly ignores: readonly Ignore[];
  readonly baseline?: Baseline;
  /** ISO date, for expiry. */
  readonly today: string;
}
