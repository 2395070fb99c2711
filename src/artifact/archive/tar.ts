/** tar in its old, ustar, pax and GNU forms: members, links, devices. Sizes are checked before they are used. */
import { ScanError } from '../../errors.ts';
import { type ByteSource, SliceSource } from '../byte-source.ts';
import {
  type ArchiveFact,
  type ArchiveListing,
  type ArchiveMember,
  linkLeaves,
  nameProblems,
} from './member.ts';

const BLOCK = 512;
const MAX_HEADER_TEXT = 1024 * 1024;
const MAX_MEMBERS = 1_000_000;

/** Facts and members before a broken header are kept; the error is the last fact. */
export function readTar(source: ByteSource): ArchiveListing & { readonly error?: ScanError } {
  const members: ArchiveMember[] = [];
  const facts: ArchiveFact[] = [];
  const seen = new Map<string, number>();
  let longName: string | undefined;
  let longLink: string | undefined;
  let pax: Readonly<Record<string, string>> = {};
  let at = 0;
  const stray: { byteOffset: number; source: ByteSource }[] = [];
  try {
    while (at + BLOCK <= source.size) {
      const header = Buffer.from(source.read(at, BLOCK));
      if (header.every((byte) => byte === 0)) {
        at += BLOCK;
        continue;
      }
      checkSum(header, at);
      const type = String.fromCharCode(header[156] as number);
      const size = pax['size'] === undefined ? tarNumber(header, 124, 12) : Number(pax['size']);
      const dataOffset = at + BLOCK;
      if (!Number.isSafeInteger(size) || size < 0 || size > source.size - dataOffset) {
        throw new ScanError('E_TRUNCATED', 'a tar member reaches past the end', { byteOffset: at });
      }
      const next = dataOffset + Math.ceil(size / BLOCK) * BLOCK;
      if ('LKxg'.includes(type)) {
        const raw = Buffer.from(source.read(dataOffset, Math.min(size, MAX_HEADER_TEXT)));
        if (type === 'L') longName = cString(raw);
        else if (type === 'K') longLink = cString(raw);
        else if (type === 'x') pax = paxFields(raw);
        at = next;
        continue;
      }
      const prefix =
        header.toString('latin1', 257, 262) === 'ustar' ? cString(header.subarray(345, 500)) : '';
      const short = cString(header.subarray(0, 100));
      const name = pax['path'] ?? longName ?? (prefix === '' ? short : `${prefix}/${short}`);
      const link = pax['linkpath'] ?? longLink ?? cString(header.subarray(157, 257));
      for (const { problem, detail } of nameProblems(name))
        facts.push({ problem, name, detail, byteOffset: at });
      if (type === '1' || type === '2') {
        // A hard link's target counts from the archive's root, a symbolic one from its own folder.
        const leaves = linkLeaves(type === '1' ? '' : name, link);
        facts.push({
          problem: leaves ? 'link-leaves' : 'link',
          name,
          detail: `points to ${link.slice(0, 200)}`,
          byteOffset: at,
        });
      } else if ('346'.includes(type)) {
        facts.push({ problem: 'device', name, detail: `tar type ${type}`, byteOffset: at });
      } else if (type !== '5') {
        const first = seen.get(name);
        if (first !== undefined)
          facts.push({
            problem: 'duplicate-name',
            name,
            detail: `also at byte ${first}`,
            byteOffset: at,
          });
        seen.set(name, at);
        if (members.length >= MAX_MEMBERS) throw new ScanError('E_LIMIT', 'too many tar members');
        members.push({
          name,
          byteOffset: dataOffset,
          packed: new SliceSource(source, dataOffset, size, name),
          declaredBytes: size,
        });
      }
      longName = longLink = undefined;
      pax = {};
      at = next;
    }
  } catch (error) {
    if (!(error instanceof ScanError) || error.code === 'E_LIMIT') throw error;
    return { members, facts, stray, error };
  }
  return { members, facts, stray };
}

function checkSum(header: Buffer, byteOffset: number): void {
  const stored = tarNumber(header, 148, 8);
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (header[i] as number);
  if (stored !== sum) throw new ScanError('E_FORMAT', 'a tar header is broken', { byteOffset });
}

/** Octal text, or big-endian binary when the first bit is set. */
function tarNumber(header: Buffer, start: number, length: number): number {
  const first = header[start] as number;
  if ((first & 0x80) !== 0) {
    let value = first & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + (header[start + i] as number);
    return value;
  }
  const text = cString(header.subarray(start, start + length)).trim();
  return /^[0-7]*$/.test(text) ? Number.parseInt(text || '0', 8) : Number.NaN;
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.byteLength : end);
}

/** `length key=value\n` records. */
function paxFields(raw: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  let at = 0;
  while (at < raw.byteLength) {
    const space = raw.indexOf(0x20, at);
    const length = Number.parseInt(raw.toString('latin1', at, Math.max(at, space)), 10);
    if (space < 0 || !(length > 0) || at + length > raw.byteLength) break;
    const record = raw.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (equals > 0) fields[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return fields;
}
