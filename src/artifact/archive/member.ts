/** What archive readers give: members with their bytes, and every place where the archive lies. */
import type { ArchiveProblem } from '../../evidence/archive.ts';
import type { ByteSource } from '../byte-source.ts';
import type { ByteStream } from '../compression/byte-stream.ts';

export interface ArchiveMember {
  /** As stored; may climb, be absolute or hold control characters. */
  readonly name: string;
  readonly byteOffset: number;
  /** Bytes in the archive, still compressed. */
  readonly packed: ByteSource;
  /** Absent for stored members. */
  readonly open?: () => ByteStream;
  /** What the archive says the member's size will be. */
  readonly declaredBytes: number;
  /** Why the bytes cannot be read, as in an unknown method. */
  readonly unreadable?: string;
  readonly encrypted?: boolean;
}

export interface ArchiveFact {
  readonly problem: ArchiveProblem;
  readonly name: string;
  readonly detail: string;
  readonly byteOffset: number;
}

export interface ArchiveListing {
  readonly members: readonly ArchiveMember[];
  readonly facts: readonly ArchiveFact[];
  /** Bytes that belong to no member: before the first, between, after the last. */
  readonly stray: readonly { readonly byteOffset: number; readonly source: ByteSource }[];
}

/** Problems of a name alone, for any archive format. */
export function nameProblems(name: string): { problem: ArchiveProblem; detail: string }[] {
  const found: { problem: ArchiveProblem; detail: string }[] = [];
  const parts = name.split(/[\\/]/);
  if (parts.includes('..')) found.push({ problem: 'climbing-name', detail: 'holds ..' });
  if (/^[\\/]|^[A-Za-z]:/.test(name))
    found.push({ problem: 'absolute-name', detail: 'starts at the root' });
  if (/[\x00-\x1f\x7f]/.test(name) || name === '')
    found.push({ problem: 'odd-name', detail: 'holds control characters or is empty' });
  return found;
}

/** True when following `link` from the folder of `name` ends outside the archive. */
export function linkLeaves(name: string, link: string): boolean {
  if (/^[\\/]|^[A-Za-z]:/.test(link)) return true;
  let depth = name.split('/').length - 1;
  for (const part of link.split(/[\\/]/)) {
    if (part === '..') depth--;
    else if (part !== '.' && part !== '') depth++;
    if (depth < 0) return true;
  }
  return false;
}
