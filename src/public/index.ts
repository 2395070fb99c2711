/** The library: what programs may rely on. Everything else can change between versions. */
export {
  ERROR_CODES,
  type ErrorCode,
  formatError,
  ScanError,
  type SerializedError,
} from '../errors.ts';
export type { VerifiedTrigger } from '../evidence/behaviour.ts';
export type { Evidence, EvidenceBase, NotCovered, Rate } from '../evidence/evidence.ts';
export { EXIT, type ExitCode } from '../finding/exit-code.ts';
export type { Finding, Level, ScanResult, TargetResult, Verdict } from '../finding/finding.ts';
export { type Calibration, readCalibration } from '../judge/calibration.ts';
export { loadRules } from '../judge/load-rules.ts';
export type { Policy } from '../judge/policy.ts';
export type { Rule } from '../judge/rule.ts';
export { loadTaxonomies } from '../judge/taxonomy.ts';
export type { Site } from '../model/graphs/activations.ts';
export { type Model, openModel } from '../model/open-model.ts';
export type { ModelSpec } from '../model/spec.ts';
export type { Tokenizer } from '../model/tokenizer.ts';
export { FORMATS, type FormatName } from '../report/formats.ts';
export type { Report, ReportContext } from '../report/report.ts';
export type { Dictionary } from '../sae/dictionary.ts';
export { loadSae } from '../sae/formats/registry.ts';
export { saveSaeLens } from '../sae/formats/write-saelens.ts';
export type { DictionaryQuality } from '../sae/quality.ts';
export { type TrainedDictionary, type TrainOptions, trainSae } from '../sae/train.ts';
export { readActivations, type SiteActivations, trainDictionaries } from '../sae/train-model.ts';
export { calibrateModels } from '../scan/calibrate.ts';
export { type ScanHooks, type ScanOptions, scan } from '../scan/scan.ts';
export type { Profile, ProgressEvent } from '../scan/stage.ts';
export { VERSION } from '../version.ts';
