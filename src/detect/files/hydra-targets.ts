/**
 * `_target_` in Hydra and NeMo configurations names a Python callable that the loader calls with the values beside
 * it (CVE-2025-23304). Read from YAML and JSON, on disk and inside archives such as .nemo.
 */
import { isMap, isScalar, LineCounter, parseAllDocuments, visit } from 'yaml';
import { decodeText } from '../../artifact/text.ts';
import { ScanError } from '../../errors.ts';
import type { HydraTarget } from '../../evidence/repository.ts';
import type { FileDetector, FileSubject } from './detector.ts';
import { whatOf } from './tally.ts';

const MAX_YAML_BYTES = 4 * 2 ** 20;
const KEYS: ReadonlySet<string> = new Set(['_target_', '__target__', 'target_class']);

interface FoundTarget {
  readonly target: string;
  readonly byteOffset: number;
  readonly line: number;
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
    if (subject.source.size > MAX_YAML_BYTES) {
      report.notCovered({
        what: whatOf(subject),
        why: `E_LIMIT: larger than ${MAX_YAML_BYTES} bytes`,
      });
      return;
    }
    const text = decodeText(subject.source.read(0, subject.source.size));
    // Most files have none, and parsing YAML costs more than looking.
    if (![...KEYS].some((key) => text.includes(key)) && !/\\[xuU]|_tar/.test(text)) return;
    const decisions = new Map<HydraTarget['decision'], FoundTarget[]>();
    for (const found of targetsIn(text)) {
      const decision = decide(subject, found.target);
      if (decision === 'known') continue;
      decisions.set(decision, [...(decisions.get(decision) ?? []), found]);
    }
    for (const [decision, found] of decisions) {
      const [first] = found;
      if (first === undefined) continue;
      const { byteOffset, line } = first;
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

function targetsIn(text: string): FoundTarget[] {
  const lines = new LineCounter();
  const found: FoundTarget[] = [];
  const add = (target: string, offset: number): void => {
    const byteOffset = Buffer.byteLength(text.slice(0, offset));
    found.push({ target, byteOffset, line: Math.max(1, lines.linePos(offset).line) });
  };
  let documents: ReturnType<typeof parseAllDocuments>;
  try {
    documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: false });
  } catch (cause) {
    throw new ScanError('E_FORMAT', 'the YAML cannot be read', { byteOffset: 0, cause });
  }
  for (const document of Array.isArray(documents) ? documents : []) {
    visit(document, (_, node) => {
      if (!isMap(node)) return;
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : '';
        if (!KEYS.has(name) || !isScalar(value) || typeof value.value !== 'string') continue;
        add(value.value, value.range?.[0] ?? 0);
      }
    });
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
