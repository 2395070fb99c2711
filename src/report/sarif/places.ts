/**
 * Where results lie: percent-encoded relative URIs, line and byte regions side by side (GitHub reads only lines),
 * tensors, layers, features and archive members as logical locations. Indices are given on first use.
 */
import { basename } from 'node:path';
import type { Artifact, LogicalLocation, Region, Location as SarifLocation } from 'sarif';
import type { Location } from '../../evidence/evidence.ts';
import type { ArtifactFile, Finding, TargetResult } from '../../finding/finding.ts';
import type { ReportContext } from '../report.ts';
import { clip, visibleLine, wellFormed } from '../safe-text.ts';
import { fileOf, pathFromRoot } from '../source-path.ts';

const MAX_NAME = 1000;
const MAX_PROBE_LINES = 500;

const MIME_TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  txt: 'text/plain',
  md: 'text/markdown',
  py: 'text/x-python',
  zip: 'application/zip',
  onnx: 'application/octet-stream',
  safetensors: 'application/octet-stream',
  gguf: 'application/octet-stream',
  bin: 'application/octet-stream',
  pkl: 'application/octet-stream',
};

/** A relative URI reference; every segment is percent-encoded, so a colon never makes it a scheme. */
export function relativeUri(path: string): string {
  return wellFormed(clip(path, 1000))
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.' && segment !== '..')
    .map((segment) =>
      encodeURIComponent(segment).replaceAll(
        /[!'()*]/g,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      ),
    )
    .join('/');
}

export class Places {
  readonly artifacts: Artifact[] = [];
  readonly logicalLocations: LogicalLocation[] = [];
  readonly #context: ReportContext;
  readonly #artifactIndex = new Map<string, number>();
  readonly #logicalIndex = new Map<string, number>();
  readonly #probeLines = new Map<number, string[]>();

  constructor(context: ReportContext) {
    this.#context = context;
  }

  /** Registers a scanned file with its digest. */
  addFile(file: ArtifactFile, target: TargetResult): void {
    const index = this.#artifact(file.path, target);
    const artifact = this.artifacts[index];
    if (artifact === undefined) return;
    artifact.length = file.byteLength;
    artifact.roles = ['analysisTarget'];
    if (file.sha256 !== undefined) artifact.hashes = { 'sha-256': file.sha256 };
  }

  #artifact(path: string, target: TargetResult): number {
    const shown = pathFromRoot(path, target, this.#context.sourceRoot);
    const uri = relativeUri(shown) || 'unnamed';
    const known = this.#artifactIndex.get(uri);
    if (known !== undefined) return known;
    const mimeType = MIME_TYPES[basename(path).split('.').at(-1)?.toLowerCase() ?? ''];
    const index = this.artifacts.length;
    this.artifacts.push({ location: { uri, index }, ...(mimeType !== undefined && { mimeType }) });
    this.#artifactIndex.set(uri, index);
    return index;
  }

  #member(path: string, member: string, target: TargetResult): number {
    const parentIndex = this.#artifact(path, target);
    const uri = relativeUri(member) || 'unnamed';
    const key = `${parentIndex}\n${uri}`;
    const known = this.#artifactIndex.get(key);
    if (known !== undefined) return known;
    const index = this.artifacts.length;
    this.artifacts.push({ location: { uri, index }, parentIndex });
    this.#artifactIndex.set(key, index);
    return index;
  }

  /** Index of a logical location, whose parent is registered first. */
  logical(kind: string, name: string, parent?: number): number {
    const shown = visibleLine(clip(name, MAX_NAME)) || '(empty)';
    const key = JSON.stringify([kind, shown, parent ?? -1]);
    const known = this.#logicalIndex.get(key);
    if (known !== undefined) return known;
    const index = this.logicalLocations.length;
    const above = parent === undefined ? undefined : this.logicalLocations[parent];
    this.logicalLocations.push({
      name: shown,
      fullyQualifiedName:
        above?.fullyQualifiedName === undefined ? shown : `${above.fullyQualifiedName}/${shown}`,
      kind,
      ...(parent !== undefined && { parentIndex: parent }),
    });
    this.#logicalIndex.set(key, index);
    return index;
  }

  logicalReference(index: number): LogicalLocation {
    const fullyQualifiedName = this.logicalLocations[index]?.fullyQualifiedName;
    return { index, ...(fullyQualifiedName !== undefined && { fullyQualifiedName }) };
  }

  /** The place of a finding: outermost file, a region with a line (and bytes), and what it is about. */
  ofFinding(finding: Finding, target: TargetResult): SarifLocation {
    const location = finding.location;
    const logical = new Set<number>();
    if (location?.member !== undefined) logical.add(this.logical('member', location.member));
    for (const tensor of tensorsOf(finding)) logical.add(this.logical('tensor', tensor));
    if (location?.key !== undefined) logical.add(this.logical('member', location.key));
    const minimal = this.#context.sarifProfile === 'minimal';
    return {
      ...this.ofFile(finding.path, target, location?.member === undefined ? location : undefined),
      ...(logical.size > 0 &&
        !minimal && {
          logicalLocations: [...logical].map((index) => this.logicalReference(index)),
        }),
    };
  }

  ofFile(path: string, target: TargetResult, at?: Location): SarifLocation {
    const index = this.#artifact(fileOf(path, target), target);
    const uri = this.artifacts[index]?.location?.uri ?? 'unnamed';
    const anchor = this.#context.anchorLines?.get(path) ?? 1;
    const minimal = this.#context.sarifProfile === 'minimal';
    return {
      physicalLocation: {
        artifactLocation: { uri, ...(!minimal && { index }) },
        region: region(at, at?.line ?? anchor),
      },
    };
  }

  /** Bytes inside an archive member, as a nested artifact. */
  ofMember(path: string, at: Location, target: TargetResult): SarifLocation | undefined {
    if (at.member === undefined) return undefined;
    const index = this.#member(path, at.member, target);
    const uri = this.artifacts[index]?.location?.uri ?? 'unnamed';
    return {
      physicalLocation: { artifactLocation: { uri, index }, region: region(at, at.line ?? 1) },
    };
  }

  /**
   * A context that a trigger was tried in, as one line of a text that the file itself carries: contexts are ordinary
   * text of the model and stand in no file. Undefined in profiles whose readers show only files of a checkout.
   */
  ofProbeText(context: string, target: TargetResult): SarifLocation | undefined {
    if (this.#context.sarifProfile !== 'audit') return undefined;
    const text = visibleLine(clip(context, MAX_NAME)) || '(empty)';
    const index = this.#probeText(target);
    const lines = this.#probeLines.get(index) ?? [];
    this.#probeLines.set(index, lines);
    const known = lines.indexOf(text);
    if (known < 0 && lines.length >= MAX_PROBE_LINES) return undefined;
    const startLine = known < 0 ? lines.push(text) : known + 1;
    const uri = this.artifacts[index]?.location?.uri ?? 'unnamed';
    const region = { startLine, startColumn: 1, endColumn: text.length + 1, snippet: { text } };
    return { physicalLocation: { artifactLocation: { uri, index }, region } };
  }

  #probeText(target: TargetResult): number {
    const name = target.path.split(/[\\/]/).findLast((part) => part !== '') ?? 'target';
    const uri = `narrowfire-probe-text/${relativeUri(name) || 'target'}.txt`;
    const key = JSON.stringify(['probe', target.path]);
    const known = this.#artifactIndex.get(key);
    if (known !== undefined) return known;
    const index = this.artifacts.length;
    this.artifacts.push({
      location: { uri, index },
      mimeType: 'text/plain',
      roles: ['memoryContents'],
      description: {
        text: 'Contexts that triggers were tried in, one a line: ordinary text of the model itself. It is no file of the target; all of it is here.',
      },
    });
    this.#artifactIndex.set(key, index);
    return index;
  }

  /** All artifacts, complete once every result was written. */
  finished(): readonly Artifact[] {
    return this.artifacts.map((artifact, index) => {
      const lines = this.#probeLines.get(index);
      return lines === undefined
        ? artifact
        : { ...artifact, contents: { text: `${lines.join('\n')}\n` } };
    });
  }
}

function tensorsOf(finding: Finding): readonly string[] {
  const names = new Set<string>();
  if (finding.location?.tensor !== undefined) names.add(finding.location.tensor);
  for (const fact of finding.evidence.slice(0, 20)) {
    if ('tensor' in fact && typeof fact.tensor === 'string') names.add(fact.tensor);
  }
  return [...names];
}

const wholeOr = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

function region(at: Location | undefined, line: number): Region {
  const byteOffset = wholeOr(at?.byteOffset);
  const byteLength = wholeOr(at?.byteLength);
  return {
    startLine: Number.isSafeInteger(line) && line >= 1 ? line : 1,
    ...(byteOffset !== undefined && { byteOffset }),
    ...(byteOffset !== undefined && byteLength !== undefined && { byteLength }),
  };
}
