/** Zip, tar and 7z archives: lists what lies, leaves or hides, and hands every member on to be inspected. */
import type {
  ArchiveFact,
  ArchiveListing,
  ArchiveMember,
} from '../../../artifact/archive/member.ts';
import { readSevenZip } from '../../../artifact/archive/seven-zip.ts';
import { readTar } from '../../../artifact/archive/tar.ts';
import { readZip } from '../../../artifact/archive/zip.ts';
import { escapeText } from '../../../artifact/pickle/values.ts';
import { recognise } from '../../../artifact/recognise.ts';
import { ScanError } from '../../../errors.ts';
import type { ArchiveAnomaly, ArchiveProblem } from '../../../evidence/archive.ts';
import type { FileDetector, FileReport, FileSubject } from '../detector.ts';
import { checkTorchStorages } from './torch-storages.ts';
import { bombStop, unpack } from './unpack.ts';

const ARCHIVES = new Set(['zip', 'tar', '7z']);

export const archiveDetector: FileDetector = {
  name: 'archive',
  accepts: ({ format }) => ARCHIVES.has(format),
  inspect(subject, report) {
    const { source, format } = subject;
    const listing: ArchiveListing & { readonly error?: ScanError } =
      format === 'zip'
        ? readZip(source)
        : format === 'tar'
          ? readTar(source)
          : readSevenZip(source, {
              spend: (bytes) => subject.budget.spend(bytes),
              stop: (produced) => bombStop(produced, source.size),
            });
    const facts = new FactSheet(subject);
    for (const fact of listing.facts) facts.add(fact);
    try {
      for (const member of listing.members) {
        subject.budget.check();
        inspectMember(member, subject, report, facts);
      }
      for (const { byteOffset, source: stray } of listing.stray)
        report.nested(`stray@${byteOffset}`, stray);
      if (format === 'zip') checkTorchStorages(listing.members, subject, report);
    } finally {
      facts.emit(report);
    }
    if (listing.error !== undefined) throw listing.error;
  },
};

/** A bad member never ends the walk. */
function inspectMember(
  member: ArchiveMember,
  subject: FileSubject,
  report: FileReport,
  facts: FactSheet,
): void {
  const what = `${subject.path}!/${subject.member === undefined ? '' : `${subject.member}!/`}${member.name}`;
  if (member.unreadable !== undefined) {
    report.notCovered({ what: escapeText(what), why: `E_LIMIT: ${member.unreadable}` });
    report.nested(member.name, member.packed);
    return;
  }
  if (member.open === undefined) {
    if (member.encrypted === true) encryptedMember(member, what, report, facts);
    report.nested(member.name, member.packed);
    return;
  }
  try {
    const { source, error, bomb } = unpack(
      member.packed,
      member.open,
      member.declaredBytes,
      subject,
    );
    if (bomb !== undefined) {
      const detail = `${member.packed.size} bytes give more than ${bomb.producedBytes}`;
      facts.add({ problem: 'bomb', name: member.name, detail, byteOffset: member.byteOffset });
      report.notCovered({
        what: escapeText(what),
        why: 'E_LIMIT: the rest of a decompression bomb',
      });
    }
    if (member.encrypted === true)
      encryptedMember(member, what, report, facts, error === undefined);
    if (error !== undefined && source.size === 0) report.nested(member.name, member.packed);
    else report.nested(member.name, source);
    if (error !== undefined && bomb === undefined && member.encrypted !== true) {
      report.evidence({
        kind: 'malformed-file',
        path: subject.path,
        location: { member: joined(subject, member.name), byteOffset: error.byteOffset ?? 0 },
        format: 'zip member',
        code: error.code,
        problem: error.message,
      });
    }
  } catch (error) {
    if (!(error instanceof ScanError) || error.code !== 'E_LIMIT') throw error;
    report.notCovered({ what: escapeText(what), why: `E_LIMIT: ${error.message}` });
    subject.budget.check();
  }
}

/** The encryption bit is ignored by some loaders: plain content behind it hides from those that obey. */
function encryptedMember(
  member: ArchiveMember,
  what: string,
  report: FileReport,
  facts: FactSheet,
  decoded = false,
): void {
  const { name, byteOffset } = member;
  const plain =
    decoded || (member.open === undefined && recognise(member.packed, name).format !== 'unknown');
  if (plain) {
    const detail = 'marked as encrypted, but is not';
    facts.add({ problem: 'false-flags', name, detail, byteOffset });
    return;
  }
  facts.add({ problem: 'encrypted', name, detail: 'encrypted', byteOffset });
  report.notCovered({ what: escapeText(what), why: 'E_FORMAT: the member is encrypted' });
}

function joined(subject: FileSubject, name: string): string {
  return subject.member === undefined ? name : `${subject.member}!/${name}`;
}

/** One fact for each problem of an archive, with the first place and the number of places. */
export class FactSheet {
  readonly #subject: FileSubject;
  readonly #facts = new Map<
    ArchiveProblem,
    { -readonly [Key in keyof ArchiveAnomaly]: ArchiveAnomaly[Key] }
  >();

  constructor(subject: FileSubject) {
    this.#subject = subject;
  }

  add({ problem, name, detail, byteOffset }: ArchiveFact): void {
    const known = this.#facts.get(problem);
    if (known !== undefined) {
      known.occurrences++;
      return;
    }
    const { path, member, format } = this.#subject;
    this.#facts.set(problem, {
      kind: 'archive-anomaly',
      path,
      location: { ...(member !== undefined && { member }), byteOffset },
      format,
      problem,
      name: escapeText(name.slice(0, 200)),
      detail: escapeText(detail.slice(0, 300)),
      occurrences: 1,
    });
  }

  emit(report: FileReport): void {
    for (const fact of this.#facts.values()) report.evidence(fact);
  }
}
