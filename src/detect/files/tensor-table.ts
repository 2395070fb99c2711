/** Checks of safetensors and GGUF: the tensor table against the file, bytes that belong to nothing, texts in the header. */
import { SliceSource } from '../../artifact/byte-source.ts';
import { readGguf } from '../../artifact/gguf/reader.ts';
import type { GgufFile } from '../../artifact/gguf/types.ts';
import type { FormatProblem, ProblemSink } from '../../artifact/problem.ts';
import { readSafetensorsHeader } from '../../artifact/safetensors.ts';
import { ScanError } from '../../errors.ts';
import type { FileDetector, FileReport, FileSubject } from './detector.ts';
import { findPayload } from './payload-text.ts';
import { shown, Tally, whatOf } from './tally.ts';

/** Above this a header is an attack on whoever parses it; the largest known models stay below a tenth. */
const MAX_HEADER_BYTES = 25_000_000;
const MAX_TENSORS = 100_000;
/** A header entry takes about eleven JSON tokens. */
const MAX_HEADER_TOKENS = 14 * MAX_TENSORS;
const SAMPLE_BYTES = 64 * 1024;
/** Problems that are facts of the loader, not of the file. */
const NOT_A_PROBLEM = new Set(['dtype-not-loaded']);
const UNOWNED_BYTES = new Set(['gap', 'trailing-bytes']);

export const safetensorsDetector: FileDetector = {
  name: 'safetensors',
  accepts: ({ format }) => format === 'safetensors',
  inspect: inspectSafetensors,
};

export const ggufDetector: FileDetector = {
  name: 'gguf',
  accepts: ({ format }) => format === 'gguf',
  inspect: inspectGguf,
};

function inspectSafetensors(subject: FileSubject, report: FileReport): void {
  const tally = new Tally(subject);
  try {
    const { tensors, metadata } = readSafetensorsHeader(subject.source, {
      sink: problemSink(subject, report, tally),
      maxHeaderBytes: MAX_HEADER_BYTES,
      maxJsonTokens: MAX_HEADER_TOKENS,
    });
    for (const [key, text] of Object.entries(metadata)) {
      addPayload(tally, 'safetensors', `/__metadata__/${shown(key)}`, `${key}\n${text}`);
    }
    for (const { name } of tensors) addPayload(tally, 'safetensors', shown(name), name);
    if (tensors.length > MAX_TENSORS) addFlood(tally, 'safetensors', `${tensors.length} tensors`);
  } catch (error) {
    if (!(error instanceof ScanError) || error.code !== 'E_LIMIT') throw error;
    addFlood(tally, 'safetensors', error.message);
    report.notCovered({ what: whatOf(subject), why: `E_LIMIT: ${error.message}` });
  } finally {
    tally.flush(report);
  }
}

function inspectGguf(subject: FileSubject, report: FileReport): void {
  const tally = new Tally(subject);
  try {
    const file = readGguf(subject.source, problemSink(subject, report, tally));
    for (const { key, value } of file.metadata.values()) {
      const isTemplate = /chat_template(\.|$)/.test(key);
      addPayload(
        tally,
        'gguf',
        shown(key),
        typeof value === 'string' && !isTemplate ? `${key}\n${value}` : key,
      );
    }
    for (const { name } of file.tensors) addPayload(tally, 'gguf', shown(name), name);
    checkKeys(file, problemSink(subject, report, tally));
    if (!file.complete) {
      report.notCovered({
        what: whatOf(subject),
        why: 'E_FORMAT: the header could not be read to its end',
      });
    }
  } finally {
    tally.flush(report);
  }
}

/** Types that loaders take for granted: `[]` marks an array of the type. */
const KEY_TYPES: Readonly<Record<string, readonly string[]>> = {
  'general.architecture': ['string'],
  'general.name': ['string'],
  'general.file_type': ['u32'],
  'general.quantization_version': ['u32'],
  'tokenizer.chat_template': ['string'],
  'tokenizer.ggml.model': ['string'],
  'tokenizer.ggml.tokens': ['string[]'],
  'tokenizer.ggml.merges': ['string[]'],
  'tokenizer.ggml.scores': ['f32[]'],
  'tokenizer.ggml.token_type': ['i32[]', 'u32[]'],
};
/** Arrays with one element for each token. */
const PER_TOKEN = ['tokenizer.ggml.scores', 'tokenizer.ggml.token_type'];

/** Loaders cast these values without looking, so a wrong type or length is read as memory. */
function checkKeys({ metadata }: GgufFile, sink: ProblemSink): void {
  for (const [key, allowed] of Object.entries(KEY_TYPES)) {
    const entry = metadata.get(key);
    if (entry === undefined) continue;
    const type = typeof entry.value === 'object' ? `${entry.value.elementType}[]` : entry.type;
    if (allowed.includes(type)) continue;
    const detail = `key ${key} is ${type}, loaders expect ${allowed.join(' or ')}`;
    sink({ problem: 'key-type', code: 'E_FORMAT', detail, byteOffset: entry.valueOffset, key });
  }
  const tokens = metadata.get('tokenizer.ggml.tokens')?.value;
  for (const key of PER_TOKEN) {
    const entry = metadata.get(key);
    if (typeof tokens !== 'object' || typeof entry?.value !== 'object') continue;
    if (entry.value.count === tokens.count) continue;
    const detail = `${key} has ${entry.value.count} elements for ${tokens.count} tokens`;
    sink({
      problem: 'count-mismatch',
      code: 'E_FORMAT',
      detail,
      byteOffset: entry.valueOffset,
      key,
    });
  }
}

/** Turns a reader's problems into counted facts; bytes that belong to nothing are looked at and passed on. */
export function problemSink(subject: FileSubject, report: FileReport, tally: Tally): ProblemSink {
  let passedOn = 0;
  return (problem) => {
    if (NOT_A_PROBLEM.has(problem.problem)) return;
    const { byteOffset, byteLength, tensor, key } = problem;
    const unowned = UNOWNED_BYTES.has(problem.problem) && byteLength !== undefined;
    const content = unowned ? contentOf(subject, problem) : 'none';
    tally.add(
      `${problem.problem}\0${content}`,
      {
        kind: 'format-problem',
        format: subject.format,
        problem: problem.problem,
        detail: shown(problem.detail),
        content,
      },
      {
        byteOffset,
        ...(byteLength !== undefined && { byteLength }),
        ...(tensor !== undefined && { tensor: shown(tensor) }),
        ...(key !== undefined && { key: shown(key) }),
      },
    );
    const length = Math.min(byteLength ?? 0, subject.source.size - byteOffset);
    if (content === 'data' && length >= 4 && passedOn < 16) {
      passedOn++;
      const name = `${problem.problem}@${byteOffset}`;
      report.nested(name, new SliceSource(subject.source, byteOffset, length, name));
    }
  };
}

function contentOf({ source }: FileSubject, problem: FormatProblem): 'zero' | 'data' {
  // Of a long archive member only the head is here.
  if (problem.byteOffset > source.size) return 'data';
  const end = Math.min(problem.byteOffset + (problem.byteLength ?? 0), source.size);
  const head = Math.min(SAMPLE_BYTES, end - problem.byteOffset);
  const parts = [
    source.read(problem.byteOffset, head),
    source.read(Math.max(problem.byteOffset, end - SAMPLE_BYTES), Math.min(SAMPLE_BYTES, head)),
  ];
  return parts.every((part) => part.every((byte) => byte === 0)) ? 'zero' : 'data';
}

/** A header text that is an attack on whoever reads it. */
export function addPayload(tally: Tally, format: string, key: string, text: string): void {
  const match = findPayload(text);
  if (!match) return;
  tally.add(`${match.payload}`, { kind: 'metadata-payload', format, ...match }, { key });
}

function addFlood(tally: Tally, format: string, detail: string): void {
  tally.add(
    'flood',
    { kind: 'format-problem', format, problem: 'header-flood', detail, content: 'none' },
    { byteOffset: 0 },
  );
}
