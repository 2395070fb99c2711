/** PMML and OpenVINO IR: document types that fetch files or explode, custom operations, files beside the model. */
import { judgeReference } from '../../../artifact/reference-path.ts';
import type { FileDetector, FileReport, FileSubject } from '../detector.ts';
import { shown, Tally, whatOf } from '../tally.ts';

const MAX_XML_BYTES = 256 * 1024 * 1024;
const MAX_CHUNK_BYTES = 4 * 1024 * 1024;
const OVERLAP_BYTES = 4096;

export const xmlDetector: FileDetector = {
  name: 'xml',
  accepts: ({ format, path, member }) =>
    format === 'text' && /\.(?:xml|pmml)$/i.test(member ?? path),
  inspect,
};

const ENTITY =
  /<!ENTITY\s{1,20}%?\s{0,20}([\w.:-]{1,100})\s{1,20}(?:(SYSTEM|PUBLIC)\s{1,20}(?:["'][^"'<>]{0,500}["']\s{0,20})?["']([^"'<>]{0,500})["']|["'])/g;
const LAYER = /<layer\s[^<>]{0,2000}>/g;
const STANDARD_OPSET = /^(?:opset\d{1,3}|experimental|ie_internal_opset)$/;

function inspect(subject: FileSubject, report: FileReport): void {
  const { source } = subject;
  const size = Math.min(source.size, MAX_XML_BYTES);
  if (size < source.size)
    report.notCovered({ what: whatOf(subject), why: `E_LIMIT: XML of ${source.size} bytes` });
  const tally = new Tally(subject);
  const head = Buffer.from(source.read(0, Math.min(65_536, size))).toString('latin1');
  const format = /<net\s/.test(head) ? 'openvino' : /<PMML[\s>]/.test(head) ? 'pmml' : undefined;
  if (format === undefined) return;
  for (let start = 0; start < size; start += MAX_CHUNK_BYTES) {
    subject.budget.check();
    const length = Math.min(MAX_CHUNK_BYTES + OVERLAP_BYTES, size - start);
    const text = Buffer.from(source.read(start, length)).toString('latin1');
    for (const match of text.matchAll(ENTITY)) {
      if (match.index >= MAX_CHUNK_BYTES) break;
      addEntity(tally, format, match, start + match.index);
    }
    if (format !== 'openvino') continue;
    for (const match of text.matchAll(LAYER)) {
      if (match.index >= MAX_CHUNK_BYTES) break;
      addLayer(tally, match[0], start + match.index);
    }
  }
  tally.flush(report);
}

function addEntity(tally: Tally, format: string, match: RegExpExecArray, byteOffset: number): void {
  const [, name = '', external, target] = match;
  if (external === undefined || target === undefined) {
    const detail = `the document defines the entity ${name}`;
    tally.add(
      'entity',
      { kind: 'format-problem', format, problem: 'xml-entity', detail, content: 'none' },
      { byteOffset },
    );
    return;
  }
  const judged = judgeReference(target);
  const problem = judged === 'inside' || judged === 'odd' ? 'absolute' : judged;
  tally.add(
    problem,
    { kind: 'external-reference', format, purpose: 'xml-entity', target: shown(target), problem },
    { byteOffset },
  );
}

function addLayer(tally: Tally, tag: string, byteOffset: number): void {
  const opset = /\sversion="([^"]{0,100})"/.exec(tag)?.[1];
  const type = /\stype="([^"]{0,200})"/.exec(tag)?.[1] ?? '';
  // IR before version 10 names no opset.
  if (opset === undefined || STANDARD_OPSET.test(opset)) return;
  const operator = shown(`${opset}::${type}`);
  tally.add(
    operator,
    { kind: 'operator-use', format: 'openvino', operator, effect: 'custom' },
    { byteOffset },
  );
}
