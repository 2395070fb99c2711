/**
 * Findings and results: what rules make of evidence and what every report renders.
 * The JSON form of `ScanResult` is the stable result format `narrowfire/result/v1` (design section 4).
 */

import type { SerializedError } from '../errors.ts';
import type { Evidence, Location, NotCovered, Rate } from '../evidence/evidence.ts';

export type Level = 'error' | 'warning' | 'note';
export type Verdict = 'fail' | 'pass' | 'incomplete';

declare const brand: unique symbol;
export type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };
export type RuleId = Branded<string, 'RuleId'>;
export type Fingerprint = Branded<string, 'Fingerprint'>;
export type Sha256 = Branded<string, 'Sha256'>;

export interface TriggerReport {
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly minimalText: string;
  readonly rate: Rate;
  readonly controlRate: Rate;
  readonly contexts: number;
}

export interface BehaviourReport {
  readonly kind: string;
  readonly text: string;
  readonly similarity: number;
}

export interface Suppression {
  readonly reason: string;
  readonly expires?: string;
  readonly source: string;
}

/** Where a finding stands among clean models. */
export interface CalibratedScore {
  /** Name of the calibration. */
  readonly name: string;
  /** Evidence kind and field, as in `verified-trigger.score`. */
  readonly statistic: string;
  readonly value: number;
  /** (1 + clean models at or above the value) / (models + 1). */
  readonly pValue: number;
  /** Clean models of the same class. */
  readonly models: number;
}

export interface Finding {
  readonly ruleId: RuleId;
  readonly ruleName: string;
  readonly level: Level;
  readonly message: string;
  /** POSIX path relative to the scanned target's parent. */
  readonly path: string;
  readonly location?: Location;
  /** Stable between runs: no scores, indices or absolute offsets enter it. */
  readonly fingerprint: Fingerprint;
  readonly trigger?: TriggerReport;
  readonly behaviour?: BehaviourReport;
  readonly calibrated?: CalibratedScore;
  readonly evidence: readonly Evidence[];
  /** How many facts there were, when `evidence` was cut. */
  readonly evidenceTotal?: number;
  /** CWE, ATLAS and OWASP ids. */
  readonly taxa: readonly string[];
  readonly suppression?: Suppression;
  readonly baselineState?: 'new' | 'unchanged' | 'updated' | 'absent';
}

export interface StageReport {
  readonly stage: string;
  readonly status: 'done' | 'skipped' | 'incomplete';
  readonly tokens?: number;
  readonly detail?: string;
}

export interface Coverage {
  readonly stages: readonly StageReport[];
  readonly notCovered: readonly NotCovered[];
}

/** What running the model was planned to need; it depends on the bound and the threads, so only a bounded scan states it. */
export interface MemoryStatement {
  readonly boundBytes: number;
  /** Most resident memory of the process that runs the model. */
  readonly peakBytes: number;
  readonly workers: number;
  /** Groups of layers that run one after another; 1 is the whole model. */
  readonly layerGroups: number;
}

/** Seconds are left out of every byte-compared report unless asked for. */
export interface Cost {
  readonly tokens: number;
  readonly seconds?: number;
  readonly cpuSeconds?: number;
  readonly device: string;
  readonly memory?: MemoryStatement;
}

export interface ArtifactFile {
  readonly path: string;
  readonly byteLength: number;
  readonly sha256?: Sha256;
}

/** A threshold that a calibration set for one target. */
export interface CalibratedThreshold {
  readonly ruleId: RuleId;
  readonly threshold: string;
  readonly shipped: number;
  /** Only more than this counts. */
  readonly above: number;
  /** False-alarm rate that this bounds. */
  readonly certifies: number;
}

export interface WithheldFinding {
  readonly ruleId: RuleId;
  readonly level: Level;
  readonly value: number;
  readonly pValue: number;
}

export interface TargetCalibration {
  readonly name: string;
  /** Family and task of the target, as in `llama/causal`. */
  readonly modelClass?: string;
  /** Clean models of that class. */
  readonly models: number;
  readonly thresholds: readonly CalibratedThreshold[];
  /** What of it was not applied, and why; whole sentences. */
  readonly notApplied: readonly string[];
  /** Findings under the shipped thresholds that the raised ones do not make. */
  readonly withheld: readonly WithheldFinding[];
}

/** What the thresholds of a result rest on. */
export interface ResultCalibration {
  /** `shipped`, or the name of the calibration file. */
  readonly name: string;
  readonly sha256?: Sha256;
  readonly basis: string;
}

export interface TargetResult {
  /** As given on the command line. */
  readonly path: string;
  readonly kind: string;
  readonly sha256?: Sha256;
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
  readonly coverage: Coverage;
  readonly cost: Cost;
  readonly errors: readonly SerializedError[];
  readonly files?: readonly ArtifactFile[];
  /** With `--calibration`. */
  readonly calibration?: TargetCalibration;
}

export interface ScanResult {
  readonly schema: 'narrowfire/result/v1';
  readonly tool: { readonly name: 'narrowfire'; readonly version: string };
  readonly verdict: Verdict;
  readonly exitCode: number;
  /** The lowest level that fails. */
  readonly failOn?: Level | 'none';
  /** What was replaced by salted hashes before this was written. */
  readonly redaction?: 'triggers' | 'prompts' | 'all';
  /** Arguments that give this result again; the first is the command. */
  readonly commandLine?: readonly string[];
  readonly calibration?: ResultCalibration;
  readonly targets: readonly TargetResult[];
}
