/**
 * Runs every detector over one outermost source and all that is nested in it. Whatever the bytes do, the
 * result is evidence plus what was not covered; only `MissingRange` (remote sources) leaves this file.
 */
import { type ByteSource, MissingRange } from '../../artifact/byte-source.ts';
import { type Recognition, recognise } from '../../artifact/recognise.ts';
import { type ScanError, toScanError } from '../../errors.ts';
import type { NotCovered } from '../../evidence/evidence.ts';
import type { FileEvidence } from '../../evidence/file.ts';
import { createBudget, DEFAULT_LIMITS, type FileLimits } from './budget.ts';
import type { FileBudget, FileDetector, FileReport, FileSubject } from './detector.ts';
import { FILE_DETECTORS } from './registry.ts';

export interface InspectOptions {
  list(name: string): ReadonlySet<string>;
  readonly limits?: Partial<FileLimits>;
  /** Defaults to the registry. */
  readonly detectors?: readonly FileDetector[];
}

export interface Inspection {
  readonly evidence: readonly FileEvidence[];
  readonly notCovered: readonly NotCovered[];
}

interface Run {
  readonly path: string;
  readonly options: InspectOptions;
  readonly limits: FileLimits;
  readonly budget: FileBudget;
  readonly detectors: readonly FileDetector[];
  readonly evidence: FileEvidence[];
  readonly notCovered: NotCovered[];
  sources: number;
}

const SPENT = new Set(['E_LIMIT', 'E_TIMEOUT']);

/** Inspects one file. `path` is what evidence will carry. */
export function inspect(source: ByteSource, path: string, options: InspectOptions): Inspection {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const run: Run = {
    path,
    options,
    limits,
    budget: createBudget(limits),
    detectors: options.detectors ?? FILE_DETECTORS,
    evidence: [],
    notCovered: [],
    sources: 0,
  };
  inspectSource(run, source, undefined, 0);
  return { evidence: run.evidence, notCovered: run.notCovered };
}

function inspectSource(
  run: Run,
  source: ByteSource,
  member: string | undefined,
  depth: number,
): void {
  const what = member === undefined ? run.path : `${run.path}!/${member}`;
  if (depth > run.limits.maxDepth || ++run.sources > run.limits.maxSources) {
    const limit =
      depth > run.limits.maxDepth
        ? `archives are nested deeper than ${run.limits.maxDepth}`
        : `more than ${run.limits.maxSources} members`;
    run.notCovered.push({ what, why: `E_LIMIT: ${limit}` });
    return;
  }
  let recognition: Recognition;
  try {
    run.budget.check();
    recognition = recognise(source, member ?? run.path);
  } catch (error) {
    recordFailure(run, error, what, 'unknown', member);
    return;
  }
  reportIdentity(run, recognition, member);
  for (const format of [recognition.format, ...recognition.also]) {
    runDetectors(run, source, member, depth, format, what);
  }
}

function reportIdentity(run: Run, recognition: Recognition, member: string | undefined): void {
  const { format, also, extension, expected } = recognition;
  const place = { path: run.path, ...(member !== undefined && { location: { member } }) };
  if (expected !== undefined) {
    run.evidence.push({ kind: 'format-mismatch', ...place, extension, expected, actual: format });
  }
  for (const second of also) {
    run.evidence.push({ kind: 'polyglot-file', ...place, first: format, second });
  }
}

function runDetectors(
  run: Run,
  source: ByteSource,
  member: string | undefined,
  depth: number,
  format: string,
  what: string,
): void {
  const subject: FileSubject = {
    path: run.path,
    ...(member !== undefined && { member }),
    source,
    format,
    depth,
    budget: run.budget,
    list: run.options.list,
  };
  const report: FileReport = {
    evidence: (fact) => void run.evidence.push(fact),
    notCovered: (item) => void run.notCovered.push(item),
    nested: (name, inner) => {
      const joined = member === undefined ? name : `${member}!/${name}`;
      inspectSource(run, inner, joined, depth + 1);
    },
  };
  for (const detector of run.detectors) {
    try {
      if (detector.accepts(subject)) detector.inspect(subject, report);
    } catch (error) {
      recordFailure(run, error, what, format, member);
    }
  }
}

/** Bad bytes are evidence; a spent budget or our own defect is a gap in the coverage. */
function recordFailure(
  run: Run,
  thrown: unknown,
  what: string,
  format: string,
  member: string | undefined,
): void {
  if (thrown instanceof MissingRange) throw thrown;
  const error: ScanError = toScanError(thrown);
  if (SPENT.has(error.code) || error.code === 'E_INTERNAL' || error.code === 'E_IO') {
    run.notCovered.push({ what, why: `${error.code}: ${error.message}` });
    return;
  }
  const location = {
    ...(member !== undefined && { member }),
    ...(error.byteOffset !== undefined && { byteOffset: error.byteOffset }),
  };
  run.evidence.push({
    kind: 'malformed-file',
    path: run.path,
    ...(Object.keys(location).length > 0 && { location }),
    format,
    code: error.code,
    problem: error.message,
  });
}
