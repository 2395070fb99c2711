/**
 * Reads a zip file the way all of its readers together would: the directory at the end, the local records
 * in front of each member, and local records that the directory leaves out. Where they disagree, both are
 * given and the disagreement is a fact.
 */
import { ScanError } from '../../errors.ts';
import { type ByteSource, SliceSource } from '../byte-source.ts';
import { type ByteStream, Input } from '../compression/byte-stream.ts';
import { bzip2Stream } from '../compression/bzip2.ts';
import { InflateStream } from '../compression/inflate.ts';
import { lzmaStream } from '../compression/lzma.ts';
import { xzStream } from '../compression/xz.ts';
import { zstdStream } from '../compression/zstd.ts';
import {
  type ArchiveFact,
  type ArchiveListing,
  type ArchiveMember,
  linkLeaves,
  nameProblems,
} from './member.ts';
import {
  type CentralRecord,
  centralRecords,
  type EndRecord,
  findEndRecords,
  type LocalRecord,
  localRecord,
  MAX_MEMBERS,
  type ZipRecord,
} from './zip-records.ts';

const ENCRYPTED_FLAG = 1;
const DESCRIPTOR_FLAG = 8;
const SYMLINK_MODE = 0xa000;
const MAX_FACTS = 1000;
/** A data descriptor with signature and 64-bit sizes. */
const MAX_DESCRIPTOR_BYTES = 24;

/** @throws ScanError only when neither a directory nor a first local record can be read. */
export function readZip(source: ByteSource): ArchiveListing {
  return new ZipReader(source).read();
}

class ZipReader {
  readonly #source: ByteSource;
  readonly #members: ArchiveMember[] = [];
  readonly #facts: ArchiveFact[] = [];
  /** Byte ranges that belong to records and members. */
  readonly #owned: { start: number; end: number; name: string }[] = [];
  readonly #stray: { byteOffset: number; source: ByteSource }[] = [];

  constructor(source: ByteSource) {
    this.#source = source;
  }

  read(): ArchiveListing {
    const ends = findEndRecords(this.#source);
    const chosen = ends.find((end) => this.#startsDirectory(end)) ?? ends[0];
    if (chosen === undefined) {
      this.#fact('headers-disagree', '', 'there is no directory at the end', this.#source.size);
      this.#walkGap(0, this.#source.size, false);
    } else {
      this.#readDirectory(chosen);
      for (const other of ends) {
        if (other !== chosen && this.#startsDirectory(other)) {
          this.#fact('headers-disagree', '', 'there are two directories', other.byteOffset);
        }
      }
      this.#findGaps(chosen);
    }
    this.#findDuplicates();
    return { members: this.#members, facts: this.#facts, stray: this.#stray };
  }

  #startsDirectory(end: EndRecord): boolean {
    const start = end.byteOffset - end.directoryBytes;
    if (end.directoryBytes < 46) return end.directoryBytes === 0 && end.byteOffset === 0;
    return Buffer.from(this.#source.read(start, 4)).toString('latin1') === 'PK\x01\x02';
  }

  #readDirectory(end: EndRecord): void {
    const start = end.byteOffset - end.directoryBytes;
    // Data in front of the archive shifts every offset by the same amount.
    const shift = start - end.directoryOffset;
    this.#own(start, end.endOffset, '');
    try {
      for (const record of centralRecords(this.#source, start, end.byteOffset)) {
        this.#readMember(record, shift);
      }
    } catch (error) {
      if (!(error instanceof ScanError) || error.code === 'E_LIMIT') throw error;
      this.#fact('headers-disagree', '', error.message, error.byteOffset ?? start);
    }
  }

  #readMember(central: CentralRecord, shift: number): void {
    const at = central.localOffset + shift;
    const local = localRecord(this.#source, at) ?? localRecord(this.#source, central.localOffset);
    this.#checkName(central, central.byteOffset);
    if (local === undefined) {
      this.#fact(
        'headers-disagree',
        central.name,
        'no local record where the directory points',
        central.byteOffset,
      );
      return;
    }
    this.#compare(central, local, at);
    const packed = Math.min(central.packedBytes, this.#source.size - local.dataOffset);
    if (packed < central.packedBytes)
      this.#fact(
        'headers-disagree',
        central.name,
        'the member reaches past the end of the file',
        at,
      );
    this.#own(at, local.dataOffset + packed, central.name);
    this.#add(central, local.dataOffset, packed);
    const useful =
      local.packedBytes > 0 && local.dataOffset + local.packedBytes <= this.#source.size;
    if (local.method !== central.method || (useful && local.packedBytes !== packed))
      this.#add(local, local.dataOffset, useful ? local.packedBytes : packed);
  }

  /** Fields that a reader may take from either record. */
  #compare(central: CentralRecord, local: LocalRecord, at: number): void {
    const differ = (what: string, a: unknown, b: unknown): void =>
      this.#fact('headers-disagree', central.name, `${what}: directory ${a}, member ${b}`, at);
    if (central.name !== local.name)
      differ('name', JSON.stringify(central.name), JSON.stringify(local.name.slice(0, 100)));
    if (central.method !== local.method) differ('method', central.method, local.method);
    for (const record of [central, local]) {
      if (record.otherName !== undefined && record.otherName !== record.name)
        differ('Unicode name', JSON.stringify(record.name), JSON.stringify(record.otherName));
    }
    if ((central.flags & ENCRYPTED_FLAG) !== (local.flags & ENCRYPTED_FLAG))
      this.#fact(
        'false-flags',
        central.name,
        'only one record says that the member is encrypted',
        at,
      );
    if ((local.flags & DESCRIPTOR_FLAG) !== 0) return;
    if (central.packedBytes !== local.packedBytes)
      differ('packed size', central.packedBytes, local.packedBytes);
    if (central.plainBytes !== local.plainBytes)
      differ('size', central.plainBytes, local.plainBytes);
  }

  #checkName(record: ZipRecord, byteOffset: number): void {
    for (const { problem, detail } of nameProblems(record.name))
      this.#fact(problem, record.name, detail, byteOffset);
  }

  #add(record: ZipRecord, dataOffset: number, packedBytes: number): void {
    if (this.#members.length > MAX_MEMBERS) throw new ScanError('E_LIMIT', 'too many zip members');
    if (record.name.endsWith('/') && packedBytes === 0) return;
    const packed = new SliceSource(this.#source, dataOffset, packedBytes, record.name);
    const decoder = decoderFor(record, packed);
    this.#members.push({
      name: record.name,
      byteOffset: dataOffset,
      packed,
      declaredBytes: record.plainBytes,
      ...(typeof decoder === 'function' && { open: decoder }),
      ...(typeof decoder === 'string' && { unreadable: decoder }),
      ...((record.flags & ENCRYPTED_FLAG) !== 0 && { encrypted: true }),
    });
    if ((record.mode & 0xf000) === SYMLINK_MODE) this.#link(record, packed, dataOffset);
  }

  #link(record: ZipRecord, packed: ByteSource, byteOffset: number): void {
    const target = Buffer.from(packed.read(0, Math.min(packed.size, 4096))).toString('utf8');
    const leaves = linkLeaves(record.name, target);
    this.#fact(
      leaves ? 'link-leaves' : 'link',
      record.name,
      `points to ${target.slice(0, 200)}`,
      byteOffset,
    );
  }

  /** What lies between the members. */
  #findGaps(end: EndRecord): void {
    this.#owned.sort((a, b) => a.start - b.start || b.end - a.end);
    let covered = 0;
    for (const range of this.#owned) {
      if (range.start > covered) this.#walkGap(covered, range.start, covered > 0);
      else if (range.start < covered && range.name !== '')
        this.#fact(
          'overlapping-members',
          range.name,
          `${covered - range.start} bytes are shared`,
          range.start,
        );
      covered = Math.max(covered, range.end);
    }
    const tail = Math.max(covered, end.endOffset);
    if (tail < this.#source.size) this.#walkGap(tail, this.#source.size, false);
  }

  /** Local records that no directory names, and other bytes. */
  #walkGap(start: number, end: number, afterMember: boolean): void {
    let at = start;
    while (at < end) {
      const local = localRecord(this.#source, at);
      if (local === undefined) break;
      const known = local.packedBytes > 0 && local.dataOffset + local.packedBytes <= end;
      const packed = known
        ? local.packedBytes
        : Math.max(0, Math.min(end, this.#source.size) - local.dataOffset);
      this.#fact('not-in-directory', local.name, 'a member that the directory leaves out', at);
      this.#checkName(local, at);
      this.#add(local, local.dataOffset, packed);
      at = local.dataOffset + packed;
    }
    if (end - at <= (afterMember ? MAX_DESCRIPTOR_BYTES : 0)) return;
    const next = this.#findLocal(at, end);
    const gapEnd = next ?? end;
    if (!isZeros(this.#source, at, gapEnd)) {
      this.#fact('hidden-data', '', `${gapEnd - at} bytes belong to no member`, at);
      this.#stray.push({
        byteOffset: at,
        source: new SliceSource(this.#source, at, gapEnd - at, `stray@${at}`),
      });
    }
    if (next !== undefined) this.#walkGap(next, end, afterMember);
  }

  /** The next local signature in a gap, searched in the first megabyte. */
  #findLocal(start: number, end: number): number | undefined {
    const bytes = Buffer.from(this.#source.read(start, Math.min(end - start, 2 ** 20)));
    for (let at = bytes.indexOf('PK\x03\x04', 1, 'latin1'); at > 0; ) {
      if (localRecord(this.#source, start + at) !== undefined && this.#facts.length < MAX_FACTS)
        return start + at;
      at = bytes.indexOf('PK\x03\x04', at + 1, 'latin1');
    }
    return undefined;
  }

  /** Names that are one file for some reader: equal, or equal without case, slashes and dots. */
  #findDuplicates(): void {
    const seen = new Map<string, ArchiveMember>();
    for (const member of this.#members) {
      const key = member.name
        .replaceAll('\\', '/')
        .replaceAll(/(^|\/)(\.\/)+/g, '$1')
        .split('\0')[0] as string;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, member);
      else if (first.byteOffset !== member.byteOffset)
        this.#fact(
          'duplicate-name',
          member.name,
          `also at byte ${first.byteOffset}`,
          member.byteOffset,
        );
    }
  }

  #own(start: number, end: number, name: string): void {
    this.#owned.push({ start, end, name });
  }

  #fact(problem: ArchiveFact['problem'], name: string, detail: string, byteOffset: number): void {
    if (this.#facts.length < MAX_FACTS) this.#facts.push({ problem, name, detail, byteOffset });
  }
}

/** A decoder, the reason why there is none, or nothing for stored members. */
function decoderFor(
  record: ZipRecord,
  packed: ByteSource,
): (() => ByteStream) | string | undefined {
  const from = (offset = 0): Input => new Input(packed, offset);
  switch (record.method) {
    case 0:
      return undefined;
    case 8:
      return () => new InflateStream(from(), 'raw');
    case 12:
      return () => bzip2Stream(from());
    case 14:
      return () => {
        const input = from();
        const head = input.take(4);
        const properties = input.take((head[2] as number) + (head[3] as number) * 256);
        if (properties.byteLength < 5) input.fail('LZMA properties are five bytes');
        const dictionary = Buffer.from(properties).readUInt32LE(1);
        const size = (record.flags & 2) !== 0 ? undefined : record.plainBytes;
        return lzmaStream(input, properties[0] as number, dictionary, size);
      };
    case 93:
      return () => zstdStream(from());
    case 95:
      return () => xzStream(from());
    default:
      return `zip method ${record.method} cannot be read here`;
  }
}

function isZeros(source: ByteSource, start: number, end: number): boolean {
  for (let at = start; at < end; at += 65_536) {
    if (source.read(at, Math.min(65_536, end - at)).some((byte) => byte !== 0)) return false;
    if (at - start > 2 ** 24) return false;
  }
  return true;
}
