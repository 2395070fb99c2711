/** GGUF files that a model was split over: `name-00001-of-00003.gguf`. The first holds the metadata, all hold tensors. */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ByteSource } from '../../artifact/byte-source.ts';
import type { GgufFile } from '../../artifact/gguf/types.ts';
import { ScanError } from '../../errors.ts';

export interface GgufPart {
  readonly file: GgufFile;
  readonly source: ByteSource;
  readonly path: string;
}

const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;
const MAX_PARTS = 4096;

/**
 * @param path any part, or a file that stands alone
 * @returns paths in order, links resolved; the file itself when its name is not that of a part
 * @throws ScanError `E_NOT_FOUND` for a missing part, `E_FORMAT` for a part beyond the last, `E_LIMIT`
 */
export function ggufParts(path: string): readonly string[] {
  const [, stem, number, of] = PART.exec(basename(path)) ?? [];
  const count = Number(of ?? 1);
  if (stem === undefined || count === 1) return [path];
  const fail = (code: 'E_NOT_FOUND' | 'E_FORMAT' | 'E_LIMIT', problem: string) =>
    new ScanError(code, problem, { file: path });
  if (count > MAX_PARTS) throw fail('E_LIMIT', `${count} parts`);
  if (Number(number) < 1 || Number(number) > count) {
    throw fail('E_FORMAT', `part ${Number(number)} of ${count}`);
  }
  return Array.from({ length: count }, (_, i) => {
    const name = partName(stem, i + 1, count);
    const part = join(dirname(path), name);
    if (!existsSync(part)) throw fail('E_NOT_FOUND', `${JSON.stringify(name)} is missing`);
    return realpathSync(part);
  });
}

/** The GGUF file of a folder: its only one, or the first of the only set of parts. */
export function onlyGguf(folder: string): string | undefined {
  const names = readdirSync(folder).filter((name) => name.endsWith('.gguf'));
  const models = new Set(names.map((name) => firstName(name)));
  const [only] = models;
  if (models.size !== 1 || only === undefined) return undefined;
  // Links are kept here: parts are found by their names.
  return join(folder, existsSync(join(folder, only)) ? only : (names.toSorted()[0] ?? only));
}

function firstName(name: string): string {
  const [, stem, , of] = PART.exec(name) ?? [];
  return stem === undefined ? name : partName(stem, 1, Number(of));
}

function partName(stem: string, number: number, count: number): string {
  const digits = (value: number) => String(value).padStart(5, '0');
  return `${stem}-${digits(number)}-of-${digits(count)}.gguf`;
}
