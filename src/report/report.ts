/** The contract of a report: a pure function of a result, given in chunks so that a large one need not fit in memory. */
import type { ScanResult } from '../finding/finding.ts';
import type { Rule } from '../judge/rule.ts';
import type { Taxonomy } from '../judge/taxonomy.ts';

export const SARIF_PROFILES = ['github', 'audit', 'minimal'] as const;
export type SarifProfile = (typeof SARIF_PROFILES)[number];

export interface ReportContext {
  /** For titles, help texts and taxonomies. */
  readonly rules: readonly Rule[];
  readonly taxonomies: readonly Taxonomy[];
  readonly sarifProfile: SarifProfile;
  /** SARIF results above this number are left out, and the file says so. */
  readonly maxResults: number;
  /** Middle part of SARIF's `automationDetails.id`; two uploads of one category replace each other on GitHub. */
  readonly category: string;
  /** Absolute folder that SARIF paths are relative to: a checkout, or where the command ran. */
  readonly sourceRoot: string;
  /** Line to anchor a path at (2, the oid line, for a Git LFS pointer); 1 otherwise. */
  readonly anchorLines?: ReadonlyMap<string, number>;
  readonly showSuppressed: boolean;
  /** ANSI colours (pretty). */
  readonly color: boolean;
  /** Columns (pretty). */
  readonly width: number;
  /** ISO time; left out by default so that equal scans give equal bytes. */
  readonly timestamp?: string;
}

export type Report = (result: ScanResult, context: ReportContext) => Iterable<string>;
