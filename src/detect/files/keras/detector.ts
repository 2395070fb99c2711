/** Keras: the configuration in `.keras` archives, in HDF5 attributes and in JSON files; references that HDF5 itself makes. */
import { visitHdf5 } from '../../../artifact/hdf5/visit.ts';
import { type JsonDocument, readJson } from '../../../artifact/json.ts';
import { judgeReference } from '../../../artifact/reference-path.ts';
import { ScanError } from '../../../errors.ts';
import type { FileDetector, FileReport, FileSubject } from '../detector.ts';
import { shown, Tally, whatOf } from '../tally.ts';
import { problemSink } from '../tensor-table.ts';
import { isKerasConfig, judgeKerasConfig } from './config.ts';

const MAX_CONFIG_BYTES = 16 * 1024 * 1024;
/** Below this every JSON file is parsed; above it the words must stand in it, since escapes could hide them only in a small forgery. */
const ALWAYS_PARSED_BYTES = 4 * 1024 * 1024;
const CONFIG_ATTRIBUTES = new Set(['model_config', 'training_config']);

export const kerasJsonDetector: FileDetector = {
  name: 'keras-json',
  accepts: ({ format, path, member, depth }) =>
    format === 'json' && (depth > 0 || /\.json$/i.test(member ?? path)),
  inspect: inspectJson,
};

export const hdf5Detector: FileDetector = {
  name: 'hdf5',
  accepts: ({ format }) => format === 'hdf5',
  inspect: inspectHdf5,
};

function inspectJson(subject: FileSubject, report: FileReport): void {
  const { source } = subject;
  const isArchiveConfig = subject.depth > 0 && /(^|\/)config\.json$/.test(subject.member ?? '');
  if (source.size > MAX_CONFIG_BYTES) {
    if (isArchiveConfig)
      report.notCovered({
        what: whatOf(subject),
        why: `E_LIMIT: a configuration of ${source.size} bytes`,
      });
    return;
  }
  const bytes = source.read(0, source.size);
  const named = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(
    '"class_name"',
  );
  if (!named && !isArchiveConfig && source.size > ALWAYS_PARSED_BYTES) return;
  let document: JsonDocument;
  try {
    document = readJson(bytes, { allowNonFinite: true });
  } catch (error) {
    // Whether other JSON is sound is not this detector's question.
    if (!(error instanceof ScanError) || !(named || isArchiveConfig)) return;
    throw error;
  }
  if (!isKerasConfig(document.value)) return;
  const tally = new Tally(subject);
  try {
    judgeKerasConfig(subject, document, { key: '', byteOffset: 0 }, tally);
  } finally {
    tally.flush(report);
  }
}

function inspectHdf5(subject: FileSubject, report: FileReport): void {
  const tally = new Tally(subject);
  const { source } = subject;
  try {
    visitHdf5(source, {
      userBlock(byteLength) {
        const sink = problemSink(subject, report, tally);
        const detail = `${byteLength} bytes stand before the HDF5 superblock`;
        sink({ problem: 'gap', code: 'E_FORMAT', detail, byteOffset: 0, byteLength });
      },
      check: () => subject.budget.check(),
      attribute(path, { name, text }) {
        if (path !== '/' || text === undefined || !CONFIG_ATTRIBUTES.has(name)) return;
        if (text.length > MAX_CONFIG_BYTES) {
          report.notCovered({
            what: whatOf(subject),
            why: `E_LIMIT: ${name} of ${text.length} bytes`,
          });
          return;
        }
        const bytes = Buffer.from(source.read(text.offset, text.length));
        const end = bytes.indexOf(0);
        const document = readJson(end === -1 ? bytes : bytes.subarray(0, end), {
          allowNonFinite: true,
        });
        judgeKerasConfig(subject, document, { key: name, byteOffset: text.offset }, tally);
      },
      reference(path, purpose, file, byteOffset) {
        const problem = judgeReference(file);
        const fact = {
          kind: 'external-reference',
          format: 'hdf5',
          purpose,
          target: shown(file),
          problem,
        } as const;
        tally.add(`${purpose}\0${problem}`, fact, { byteOffset, key: shown(path) });
      },
      failed(path, error) {
        tally.add(
          'unreadable-object',
          {
            kind: 'format-problem',
            format: 'hdf5',
            problem: 'unreadable-object',
            detail: shown(error.message),
            content: 'none',
          },
          {
            key: shown(path),
            ...(error.byteOffset !== undefined && { byteOffset: error.byteOffset }),
          },
        );
        report.notCovered({
          what: `${whatOf(subject)}#${shown(path, 100)}`,
          why: `${error.code}: ${error.message}`,
        });
      },
    });
  } finally {
    tally.flush(report);
  }
}
