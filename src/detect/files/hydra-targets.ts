/**
 * `_target_` in Hydra and NeMo configurations names a Python callable that the loader calls with the values beside
 * it (CVE-2025-23304). Read from YAML and JSON, on disk and inside archives such as .nemo.
 */
import { isMap, isScalar, parseAllDocuments, visit } from 'yaml';
import { decodeText } from '../../artifact/text.ts';
import { ScanError } from '../../errors.ts';
import type { HydraTarget } from '../../evidence/repository.ts';
import type { FileDetector, FileSubject } from './detector.ts';
import { whatOf } from './tally.ts';

/** Looked through for the keys; the largest Keras configurations have a few MiB. */
const MAX_TEXT_BYTES = 2 ** 24;
const MAX_YAML_BYTES = 2 ** 19;
const MAX_NESTING = 100;
const MAX_TARGETS = 10_000;
const KEYS: ReadonlySet<string> = new Set(['_target_', '__target__', 'target_class']);

interface FoundTarget {
  readonly target: string;
  /** UTF-16 units. */
  readonly offset: number;
}

export const hydraTargetDetector: FileDetector = {
  name: 'hydra-targets',
  accepts(subject) {
    const name = subject.member ?? subject.path;
    if (subject.format !== 'text' && subject.format !== 'json') return false;
    return (
      /\.(ya?ml)$/.test(name) || (subject.format === 'json' && /config[\w.-]*\.json$/.test(name))
    );
  },
  inspect(subject, report) {
    const { size } = subject.source;
    const tooLarge = (maxBytes: number): void =>
      report.notCovered({ what: whatOf(subject), why: `E_LIMIT: larger than ${maxBytes} bytes` });
    if (size > MAX_TEXT_BYTES) return tooLarge(MAX_TEXT_BYTES);
    const text = decodeText(subject.source.read(0, size));
    // Most files have none, and parsing YAML costs more than looking.
    if (![...KEYS].some((key) => text.includes(key)) && !/\\[xuU]|_tar/.test(text)) return;
    if (size > MAX_YAML_BYTES) return tooLarge(MAX_YAML_BYTES);
    const decisions = new Map<HydraTarget['decision'], FoundTarget[]>();
    for (const found of targetsIn(text)) {
      const decision = decide(subject, found.target);
      if (decision === 'known') continue;
      const known = decisions.get(decision);
      if (known === undefined) decisions.set(decision, [found]);
      else known.push(found);
    }
    for (const [decision, found] of decisions) {
      const [first] = found;
      if (first === undefined) continue;
      const before = text.slice(0, first.offset);
      const byteOffset = Buffer.byteLength(before);
      const line = before.split('\n').length;
      report.evidence({
        kind: 'hydra-target',
        path: subject.path,
        location: {
          ...(subject.member !== undefined && { member: subject.member }),
          byteOffset,
          line,
        },
        decision,
        targets: [...new Set(found.map(({ target }) => target))].slice(0, 20),
      });
    }
  },
};

/** The YAML library takes time that grows with the square of the nesting. */
function checkNesting(text: string): void {
  let depth = 0;
  for (const match of text.matchAll(/[[\]{}]|(?:- ){100}/g)) {
    const mark = match[0];
    depth += mark === '[' || mark === '{' ? 1 : mark.length > 1 ? MAX_NESTING : -1;
    depth = Math.max(0, depth);
    if (depth < MAX_NESTING) continue;
    throw new ScanError('E_LIMIT', `YAML nested deeper than ${MAX_NESTING}`, { byteOffset: 0 });
  }
}

function targetsIn(text: string): FoundTarget[] {
  checkNesting(text);
  const found: FoundTarget[] = [];
  try {
    for (const document of parseAllDocuments(text, { uniqueKeys: false })) {
      visit(document, (_, node) => {
        if (!isMap(node)) return undefined;
        for (const { key, value } of node.items) {
          const name = isScalar(key) ? String(key.value) : '';
          if (!KEYS.has(name) || !isScalar(value) || typeof value.value !== 'string') continue;
          found.push({ target: value.value, offset: value.range?.[0] ?? 0 });
        }
        return found.length < MAX_TARGETS ? undefined : visit.BREAK;
      });
    }
  } catch (cause) {
    // The YAML library recurses, so a deeply nested text ends in a RangeError.
    throw new ScanError('E_FORMAT', 'the YAML cannot be read', { byteOffset: 0, cause });
  }
  return found;
}

function decide(subject: FileSubject, target: string): HydraTarget['decision'] {
  const root = target.split('.', 1)[0] ?? '';
  const dangerous = subject.list('hydra-target-dangerous/targets');
  if (dangerous.has(target) || dangerous.has(`${root}.*`)) return 'dangerous';
  for (const prefix of subject.list('hydra-target-unknown/known-prefixes')) {
    if (target === prefix || target.startsWith(`${prefix}.`)) return 'known';
  }
  return 'unknown';
}
