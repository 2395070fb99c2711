/** TorchScript code inside a torch archive, torch.package and other Python that travels with weights, and native programs. */
import type { OperatorEffect } from '../../../evidence/format.ts';
import type { FileDetector, FileReport, FileSubject } from '../detector.ts';
import { locationIn, shown, Tally } from '../tally.ts';

const MAX_CODE_BYTES = 16 * 1024 * 1024;
const SCRIPT_MEMBER = /(?:^|\/)code\/.*\.py$/;
const WEIGHT_FILE = /\.(?:pt|pth|bin|ckpt|ptl|pkl|mar|model|keras|npz|nemo|skops|joblib)$/i;
/** A dotted call or class in TorchScript's own Python dialect. */
const CALL = /\b((?:__torch__\.)?(?:torch|ops)(?:\.[A-Za-z_]\w{0,100}){1,6})\s{0,4}\(/g;
const FIRST_TEXT =
  /\(\s{0,8}(?:\w{1,40}\s{0,4}=\s{0,4})?("(?:[^"\\\n]|\\.){0,300}"|'(?:[^'\\\n]|\\.){0,300}')/y;
const PROGRAMS = new Set(['elf', 'pe', 'macho', 'wasm']);

export const torchscriptDetector: FileDetector = {
  name: 'torchscript',
  accepts: ({ member, depth }) => depth > 0 && SCRIPT_MEMBER.test(member ?? ''),
  inspect: inspectScript,
};

export const embeddedCodeDetector: FileDetector = {
  name: 'embedded-code',
  accepts: ({ format, member, depth, path }) =>
    PROGRAMS.has(format) ||
    (depth > 0 &&
      /\.py$/.test(member ?? '') &&
      !SCRIPT_MEMBER.test(member ?? '') &&
      WEIGHT_FILE.test(path)),
  inspect(subject, report) {
    const { format } = subject;
    const native = PROGRAMS.has(format);
    if (native && !isProgram(subject)) return;
    const detail = native
      ? `a ${format} program`
      : `Python source ${shown(subject.member ?? '', 120)}`;
    report.evidence({
      kind: 'embedded-code',
      path: subject.path,
      location: locationIn(subject, { byteOffset: 0, byteLength: subject.source.size }),
      format,
      language: native ? 'machine-code' : 'python',
      detail,
    });
  },
};

/** Two or four magic bytes also stand at the start of some weights: the next header field must fit as well. */
function isProgram({ source, format }: FileSubject): boolean {
  if (source.size < 64) return false;
  const head = Buffer.from(source.read(0, 64));
  if (format === 'elf')
    return [1, 2].includes(head[4] ?? 0) && [1, 2].includes(head[5] ?? 0) && head[6] === 1;
  if (format === 'wasm') return head.readUInt32LE(4) === 1;
  if (format !== 'pe') return true;
  const header = head.readUInt32LE(60);
  return (
    header <= source.size - 4 && Buffer.from(source.read(header, 4)).toString('latin1') === 'PE\0\0'
  );
}

function inspectScript(subject: FileSubject, report: FileReport): void {
  const { source } = subject;
  const detail = `TorchScript ${shown(subject.member ?? '', 120)}`;
  report.evidence({
    kind: 'embedded-code',
    path: subject.path,
    location: locationIn(subject, { byteOffset: 0, byteLength: source.size }),
    format: 'torchscript',
    language: 'torchscript',
    detail,
  });
  const tally = new Tally(subject);
  const length = Math.min(source.size, MAX_CODE_BYTES);
  if (length < source.size) {
    report.notCovered({
      what: `${subject.path}!/${subject.member ?? ''}`,
      why: `E_LIMIT: ${source.size} bytes of code`,
    });
  }
  const code = Buffer.from(source.read(0, length)).toString('latin1');
  for (const match of code.matchAll(CALL)) {
    const name = match[1] ?? '';
    const effect = effectOf(subject, name);
    if (effect === undefined) continue;
    FIRST_TEXT.lastIndex = match.index + match[0].length - 1;
    const argument = FIRST_TEXT.exec(code)?.[1];
    const fact = {
      kind: 'operator-use',
      format: 'torchscript',
      operator: shown(name),
      effect,
    } as const;
    tally.add(name, argument === undefined ? fact : { ...fact, argument }, {
      byteOffset: match.index,
    });
  }
  tally.flush(report);
}

function effectOf(subject: FileSubject, name: string): OperatorEffect | undefined {
  if (subject.list('operator-runs-code/torchscript').has(name)) return 'runs-code';
  if (subject.list('operator-touches-files/torchscript-write').has(name)) return 'writes-file';
  if (subject.list('operator-touches-files/torchscript-read').has(name)) return 'reads-file';
  const namespace =
    /^(?:torch\.)?ops\.([A-Za-z_]\w*)\./.exec(name)?.[1] ??
    /^__torch__\.torch\.classes\.([A-Za-z_]\w*)\./.exec(name)?.[1];
  if (namespace === undefined) return undefined;
  return subject.list('custom-operator/torchscript-namespaces').has(namespace)
    ? undefined
    : 'custom';
}
