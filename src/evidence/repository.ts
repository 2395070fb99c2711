/** Facts about a model repository as a whole: configuration, code beside the weights, links, requirements. */
import type { EvidenceBase } from './evidence.ts';

/** `auto_map` or a like field that makes a loader import Python code. One fact a file and origin. */
export interface RemoteCode extends EvidenceBase<'remote-code'> {
  readonly origin: 'inside' | 'missing' | 'other-repository';
  /** `AutoModel: modeling.Model` form. */
  readonly references: readonly string[];
  /** Files (inside, missing) or repositories. */
  readonly sources: readonly string[];
}

export type CodeUse = 'runs-code' | 'network' | 'decodes-and-runs';

/** Calls in a Python file of the repository, imports and aliases resolved; comments and strings left out. */
export interface CodeCalls extends EvidenceBase<'code-calls'> {
  /** What runs the file (`auto_map`, `handler.py`, `setup.py`, …), or `none`. */
  readonly loader: string;
  readonly use: CodeUse;
  readonly calls: readonly string[];
  readonly excerpt: string;
}

/** A file that some loader runs without being asked for each file. */
export interface LoaderCode extends EvidenceBase<'loader-code'> {
  readonly loader: string;
}

/** A configuration names a Python module or class that a loader imports. */
export interface ModuleReference extends EvidenceBase<'module-reference'> {
  readonly field: string;
  readonly reference: string;
  /** `known`: of a framework on the list. `local`: a module of the repository. `unknown`: anything else. */
  readonly origin: 'known' | 'local' | 'unknown' | 'dangerous';
}

export interface RequirementSource extends EvidenceBase<'requirement-source'> {
  readonly requirement: string;
  readonly problem: 'url' | 'vcs-unpinned' | 'vcs-pinned' | 'index' | 'trusted-host' | 'local-path';
}

export interface WeightMapPath extends EvidenceBase<'weight-map-path'> {
  readonly problem: 'climbs' | 'absolute' | 'url' | 'missing';
  /** The first of them. */
  readonly shard: string;
  readonly count: number;
}

export interface LinkLeavesFolder extends EvidenceBase<'link-leaves-folder'> {
  readonly target: string;
}

export interface HardLinkedFiles extends EvidenceBase<'hard-linked-files'> {
  readonly count: number;
}

export interface KnownBadFile extends EvidenceBase<'known-bad-file'> {
  readonly sha256: string;
  /** `content`: hashed here. `pointer`: as a Git LFS pointer or a cache name says. */
  readonly by: 'content' | 'pointer';
}

export interface SecretFound extends EvidenceBase<'secret-found'> {
  readonly secret: string;
  /** First characters only. */
  readonly shown: string;
  readonly count: number;
}

/** A value of generation_config.json that changes what a model says or how long it runs. */
export interface GenerationOverride extends EvidenceBase<'generation-override'> {
  readonly field: string;
  readonly value: string;
  readonly effect: 'steers' | 'runs-code' | 'never-stops';
}

export interface AdapterReference extends EvidenceBase<'adapter-reference'> {
  readonly field: string;
  readonly value: string;
  readonly problem: 'absolute-path' | 'climbing-path' | 'url';
}

/** Python callables that a Hydra or NeMo configuration asks for. */
export interface HydraTarget extends EvidenceBase<'hydra-target'> {
  readonly decision: 'known' | 'unknown' | 'dangerous';
  readonly targets: readonly string[];
}

export type RepositoryEvidence =
  | HydraTarget
  | RemoteCode
  | CodeCalls
  | LoaderCode
  | ModuleReference
  | RequirementSource
  | WeightMapPath
  | LinkLeavesFolder
  | HardLinkedFiles
  | KnownBadFile
  | SecretFound
  | GenerationOverride
  | AdapterReference;
