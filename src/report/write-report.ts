/**
 * Writes a report so that a full disk, a missing folder or a crash never leaves half a file under the final name:
 * chunks go to a file beside it, which then takes its name.
 */
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { ScanError } from '../errors.ts';

const BUFFER_CHARACTERS = 64 * 1024;

function isSpecial(file: string): boolean {
  try {
    return !lstatSync(file).isFile();
  } catch {
    return false;
  }
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  let done = 0;
  while (done < bytes.byteLength) done += writeSync(descriptor, bytes, done);
}

function writeChunks(descriptor: number, chunks: Iterable<string>): void {
  let buffer = '';
  for (const chunk of chunks) {
    buffer += chunk;
    if (buffer.length < BUFFER_CHARACTERS) continue;
    writeAll(descriptor, buffer);
    buffer = '';
  }
  writeAll(descriptor, buffer);
}

function abandon(descriptor: number, path: string | undefined): void {
  try {
    closeSync(descriptor);
  } finally {
    if (path !== undefined) rmSync(path, { force: true });
  }
}

/** @throws ScanError `E_OUTPUT` with the file; nothing is left behind. */
export function writeReport(file: string, chunks: Iterable<string>): void {
  // A device, a pipe or a link is written as it is: renaming over it would replace it.
  const direct = isSpecial(file);
  const path = direct ? file : `${file}.${process.pid}.partial`;
  let descriptor: number | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    descriptor = openSync(path, direct ? 'w' : 'wx', 0o644);
    writeChunks(descriptor, chunks);
    if (!direct) fsyncSync(descriptor);
    closeSync(descriptor);
    descriptor = undefined;
    if (!direct) renameSync(path, file);
  } catch (error) {
    if (descriptor !== undefined) abandon(descriptor, direct ? undefined : path);
    if (error instanceof ScanError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new ScanError('E_OUTPUT', message, { file, cause: error });
  }
}
