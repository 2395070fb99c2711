/** Formats that hold plain data only: structure and texts of Flax MessagePack; what is not read is said. */
import { HeadSource } from '../../../artifact/byte-source.ts';
import { walkMsgpack } from '../../../artifact/msgpack.ts';
import type { FileDetector, FileSubject } from '../detector.ts';
import { shown, Tally, whatOf } from '../tally.ts';
import { addPayload, problemSink } from '../tensor-table.ts';

/** Extension types of Flax; a time stamp is 255. */
const FLAX_EXTENSIONS = new Set([1, 2, 3, 255]);

export const msgpackDetector: FileDetector = {
  name: 'msgpack',
  accepts: ({ path, member, format, source }) =>
    format === 'unknown' && /\.msgpack$/i.test(member ?? path) && !(source instanceof HeadSource),
  inspect(subject, report) {
    const tally = new Tally(subject);
    const sink = problemSink(subject, report, tally);
    const { source } = subject;
    try {
      const { extensions, endOffset } = walkMsgpack(source, {
        check: () => subject.budget.check(),
        text: (value) => addPayload(tally, 'msgpack', shown(value, 80), value),
      });
      for (const type of extensions.keys()) {
        if (FLAX_EXTENSIONS.has(type)) continue;
        sink({
          problem: 'unknown-field',
          code: 'E_FORMAT',
          detail: `extension type ${type} is not one of Flax`,
          byteOffset: 0,
        });
      }
      if (endOffset === source.size) return;
      const byteLength = source.size - endOffset;
      const detail = `${byteLength} bytes follow the value`;
      sink({
        problem: 'trailing-bytes',
        code: 'E_FORMAT',
        detail,
        byteOffset: endOffset,
        byteLength,
      });
    } finally {
      tally.flush(report);
    }
  },
};

const UNREAD: readonly (readonly [
  what: string,
  test: (subject: FileSubject, head: string) => boolean,
])[] = [
  [
    'R objects, which can hold code that runs when they are read (CVE-2024-27322)',
    (_, head) => /^(?:RD[ABX][23]\n|[AX]\n\0?\0?\0?[\0-9]?[23])/.test(head),
  ],
  ['a ggml file older than GGUF', ({ format }) => format === 'ggml'],
  ['a Lua Torch file', ({ path, member }) => /\.t7$/i.test(member ?? path)],
  [
    'a TensorRT engine',
    ({ path, member, format }) =>
      format === 'unknown' && /\.(?:engine|plan|trt)$/i.test(member ?? path),
  ],
  [
    'a PaddlePaddle program',
    ({ path, member, format }) => format !== 'pickle' && /\.pdmodel$/i.test(member ?? path),
  ],
  ['an ExecuTorch program', (_, head) => head.slice(4, 6) === 'ET'],
];

/** Model formats without a reader: listed, so that silence is never taken for a pass. */
export const unreadDetector: FileDetector = {
  name: 'unread',
  accepts: ({ format }) => ['unknown', 'text', 'protobuf', 'ggml', 'json'].includes(format),
  inspect(subject, report) {
    const head = Buffer.from(subject.source.read(0, Math.min(16, subject.source.size))).toString(
      'latin1',
    );
    const unread = UNREAD.find(([, test]) => test(subject, head));
    // Holds numbers and text only, so that leaving it out is a limit and no gap.
    if (/\.ubj$/i.test(subject.member ?? subject.path)) {
      report.notCovered({
        what: whatOf(subject),
        why: 'UBJSON (XGBoost) is not read; it holds numbers and text',
      });
    }
    if (unread)
      report.notCovered({
        what: whatOf(subject),
        why: `E_FORMAT: this format is not read: ${unread[0]}`,
      });
  },
};
