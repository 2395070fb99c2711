/**
 * Compares the storages that a torch checkpoint's pickle declares with the archive members that hold them.
 * A loader that believes the pickle reads past the member (CVE-2026-24747).
 */
import type { ArchiveMember } from '../../../artifact/archive/member.ts';
import { type ByteSource, MissingRange } from '../../../artifact/byte-source.ts';
import { PickleMachine } from '../../../artifact/pickle/machine.ts';
import type { PickleObserver } from '../../../artifact/pickle/observer.ts';
import { PickleReader } from '../../../artifact/pickle/reader.ts';
import { escapeText, type Value } from '../../../artifact/pickle/values.ts';
import { ScanError } from '../../../errors.ts';
import type { FileReport, FileSubject } from '../detector.ts';

const MAX_PICKLE_BYTES = 64 * 2 ** 20;
/** Bytes of one element, by the storage class's name without `Storage`. */
const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  Double: 8,
  Long: 8,
  ComplexFloat: 8,
  ComplexDouble: 16,
  Float: 4,
  Int: 4,
  QInt32: 4,
  Half: 2,
  BFloat16: 2,
  Short: 2,
  Byte: 1,
  Char: 1,
  Bool: 1,
  QInt8: 1,
  QUInt8: 1,
  Untyped: 1,
};

export function checkTorchStorages(
  members: readonly ArchiveMember[],
  subject: FileSubject,
  report: FileReport,
): void {
  for (const pickle of members) {
    if (!/(^|\/)data\.pkl$/.test(pickle.name) || pickle.open !== undefined) continue;
    if (pickle.packed.size > MAX_PICKLE_BYTES) continue;
    const folder = pickle.name.slice(0, -'data.pkl'.length);
    const sizes = new Map(members.map((member) => [member.name, member.declaredBytes]));
    const short: string[] = [];
    let firstOffset = 0;
    readStorages(pickle.packed, subject, (key, needed, byteOffset) => {
      const held = sizes.get(`${folder}data/${key}`);
      if (held === undefined || held >= needed) return;
      if (short.length === 0) firstOffset = byteOffset;
      short.push(
        `storage ${escapeText(key.slice(0, 40))} needs ${needed} bytes, its member has ${held}`,
      );
    });
    const [first] = short;
    if (first === undefined) continue;
    const prefix = subject.member === undefined ? '' : `${subject.member}!/`;
    report.evidence({
      kind: 'pickle-anomaly',
      path: subject.path,
      location: { member: prefix + pickle.name, byteOffset: firstOffset },
      anomaly: 'storage-size',
      detail: first,
      occurrences: short.length,
    });
  }
}

type StorageVisitor = (key: string, neededBytes: number, byteOffset: number) => void;

function readStorages(source: ByteSource, subject: FileSubject, visit: StorageVisitor): void {
  const reader = new PickleReader(source);
  const observer: PickleObserver = {
    imported: () => undefined,
    called: () => undefined,
    written: () => undefined,
    anomaly: () => undefined,
    expansion: () => undefined,
    bytesConstant: () => undefined,
    built: () => undefined,
    tick: () => subject.budget.check(),
    persistent: (id, site) => visitStorage(id, site.byteOffset, visit),
  };
  try {
    new PickleMachine(reader, observer).run();
  } catch (error) {
    // The pickle detector reports what is wrong with the stream itself.
    if (error instanceof MissingRange || !(error instanceof ScanError)) throw error;
  }
}

/** `('storage', class, key, location, element count)`. */
function visitStorage(id: Value, byteOffset: number, visit: StorageVisitor): void {
  if (id.kind !== 'tuple') return;
  const [tag, type, key, , count] = id.items;
  if (tag?.kind !== 'text' || tag.text !== 'storage' || type?.kind !== 'global') return;
  if (key?.kind !== 'text' || count?.kind !== 'number') return;
  const name = type.name.slice(type.name.lastIndexOf('.') + 1).replace(/Storage$/, '');
  const elementBytes = ELEMENT_BYTES[name];
  if (elementBytes !== undefined) visit(key.text, count.value * elementBytes, byteOffset);
}
