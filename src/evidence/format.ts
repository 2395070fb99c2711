/** Facts of structured model formats: tensor tables, graphs, layer configurations, references to other files. */
import type { EvidenceBase } from './evidence.ts';

/** A rule of the format that the file breaks while it can still be read. One fact for each problem, with a count. */
export interface FormatProblemFact extends EvidenceBase<'format-problem'> {
  readonly format: string;
  /** The reader's slug, as in `duplicate-name`. */
  readonly problem: string;
  /** Of the first occurrence. */
  readonly detail: string;
  readonly occurrences: number;
  /** For bytes that belong to nothing: all zero, or something; `none` for other problems. */
  readonly content: 'none' | 'zero' | 'data';
}

/** Text in a header or a name that only makes sense as an attack on whoever reads it. */
export interface MetadataPayload extends EvidenceBase<'metadata-payload'> {
  readonly occurrences: number;
  readonly format: string;
  readonly payload:
    | 'python-code'
    | 'shell-command'
    | 'markup'
    | 'template-escape'
    | 'encoded-code'
    | 'system-path';
  /** The text around the match, at most 120 characters. */
  readonly excerpt: string;
}

/** A model file that names another file or an address. */
export interface ExternalReference extends EvidenceBase<'external-reference'> {
  readonly format: string;
  /** What the name is for, as in `external-data`, `external-link`, `vocabulary`. */
  readonly purpose: string;
  readonly target: string;
  readonly problem:
    | 'climbing'
    | 'absolute'
    | 'url'
    | 'link-leaves'
    | 'hard-link'
    | 'odd'
    | 'inside';
  readonly occurrences: number;
}

/** A key of an ONNX external-data record that the format does not define (CVE-2026-34445). */
export interface ExternalDataKey extends EvidenceBase<'external-data-key'> {
  readonly key: string;
  readonly value: string;
  readonly occurrences: number;
}

export type OperatorEffect = 'runs-code' | 'reads-file' | 'writes-file' | 'custom';

/** An operator of a graph or script that does more than arithmetic. */
export interface OperatorUse extends EvidenceBase<'operator-use'> {
  readonly format: string;
  /** With its domain where the format has one, as in `ai.onnx.contrib::PyOp`. */
  readonly operator: string;
  readonly effect: OperatorEffect;
  /** File name or code that it is given, where the graph says so. */
  readonly argument?: string;
  readonly occurrences: number;
}

/** A function inside the model that takes the name of a standard operator. */
export interface OperatorRedefined extends EvidenceBase<'operator-redefined'> {
  readonly format: string;
  readonly operator: string;
  readonly occurrences: number;
}

/** A graph that takes another path when its input equals a constant. */
export interface ExactInputBranch extends EvidenceBase<'exact-input-branch'> {
  readonly format: string;
  readonly input: string;
  readonly comparison: string;
  readonly branch: string;
  readonly occurrences: number;
}

/** A layer or object that a Keras configuration names. */
export interface KerasObject extends EvidenceBase<'keras-object'> {
  readonly module: string;
  readonly className: string;
  readonly registeredName: string;
  /** `runs-code`: the class runs what the file holds; `unlisted`: not a class that Keras ships. */
  readonly standing: 'runs-code' | 'unlisted' | 'custom';
  readonly detail: string;
  readonly occurrences: number;
}

/** A configuration whose keys stand twice, so that two readers see two models. */
export interface DuplicateJsonKey extends EvidenceBase<'duplicate-json-key'> {
  readonly format: string;
  readonly key: string;
  readonly occurrences: number;
}

/** A type name in a file whose loader builds objects by name. */
export interface NamedType extends EvidenceBase<'named-type'> {
  readonly format: string;
  readonly type: string;
  readonly standing: 'runs-code' | 'unlisted';
  readonly detail: string;
  readonly occurrences: number;
}

/** Code that travels inside a model on purpose: TorchScript, torch.package, an executable model. */
export interface EmbeddedCode extends EvidenceBase<'embedded-code'> {
  readonly format: string;
  readonly language: string;
  readonly detail: string;
}

export type FormatEvidence =
  | FormatProblemFact
  | MetadataPayload
  | ExternalReference
  | ExternalDataKey
  | OperatorUse
  | OperatorRedefined
  | ExactInputBranch
  | KerasObject
  | DuplicateJsonKey
  | NamedType
  | EmbeddedCode;
