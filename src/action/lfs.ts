/**
 * Fetches single Git LFS objects by their pointers. `git lfs smudge` takes the pointer on stdin, so that no file name
 * becomes a pattern, and the bytes are hashed on their way to the disk: what does not match its pointer is not kept.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, createWriteStream, lstatSync, rmSync } from 'node:fs';
import { Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ScanError } from '../errors.ts';
import { type Git, gitArguments } from './git.ts';
import { type LfsPointer, MAX_POINTER_BYTES } from './lfs-pointer.ts';

/** git-lfs asks for one object a call; a complaint longer than this says nothing more. */
const MAX_COMPLAINT_CHARACTERS = 300;

export function hasGitLfs(git: Git): boolean {
  return spawnSync('git', ['lfs', 'version'], { cwd: git.folder, env: git.env }).status === 0;
}

class Measured extends Transform {
  readonly #hash = createHash('sha256');
  readonly #maxBytes: number;
  byteLength = 0;

  constructor(maxBytes: number) {
    super();
    this.#maxBytes = maxBytes;
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void) {
    this.byteLength += chunk.length;
    if (this.byteLength > this.#maxBytes) {
      done(
        new ScanError(
          'E_FORMAT',
          `more than ${this.#maxBytes} bytes came, which is more than the pointer says`,
        ),
      );
      return;
    }
    this.#hash.update(chunk);
    this.push(chunk);
    done();
  }

  sha256(): string {
    return this.#hash.digest('hex');
  }
}

function check(measured: Measured, pointer: LfsPointer): void {
  const sha256 = measured.sha256();
  if (measured.byteLength === pointer.byteLength && sha256 === pointer.sha256) return;
  throw new ScanError(
    'E_FORMAT',
    `the pointer promises ${pointer.byteLength} bytes with sha256 ${pointer.sha256}, ${measured.byteLength} with ${sha256} came`,
  );
}

/** @throws ScanError `E_NETWORK` when there is no such object, `E_FORMAT` when it is not what the pointer says. */
export async function fetchObject(git: Git, pointer: LfsPointer, file: string): Promise<void> {
  const child = spawn('git', gitArguments(git, ['lfs', 'smudge']), {
    cwd: git.folder,
    env: { ...git.env, GIT_LFS_SKIP_SMUDGE: '0' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-MAX_COMPLAINT_CHARACTERS);
  });
  const ended = new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', (code) => resolve(code));
  });
  // A child that ends before it has read its input breaks the pipe; its exit code says why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${pointer.sha256}\nsize ${pointer.byteLength}\n`,
  );
  // Where it fails, git-lfs says the pointer again, which may be longer than the file.
  const measured = new Measured(Math.max(pointer.byteLength, MAX_POINTER_BYTES));
  try {
    await pipeline(child.stdout, measured, createWriteStream(file, { flags: 'wx' }));
    const code = await ended;
    if (code !== 0) {
      throw new ScanError('E_NETWORK', `git lfs did not fetch it: ${complaint.trim()}`);
    }
    check(measured, pointer);
  } catch (error) {
    child.kill();
    await ended;
    rmSync(file, { force: true });
    throw error;
  }
}

/** Takes the file out of a checkout that has it already. @returns false when it has something else there. */
export async function takeFromCheckout(
  source: string,
  pointer: LfsPointer,
  file: string,
): Promise<boolean> {
  const found = lstatSync(source, { throwIfNoEntry: false });
  if (found?.isFile() !== true || found.size !== pointer.byteLength) return false;
  copyFileSync(source, file);
  const measured = new Measured(pointer.byteLength);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  try {
    await pipeline(createReadStream(file), measured, nowhere);
    check(measured, pointer);
    return true;
  } catch {
    rmSync(file, { force: true });
    return false;
  }
}
