/** Starts the command line as a user does, and finds the process that scans for it. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const bin = resolve('bin/narrowfire.js');
const POLL_MS = 20;
/** Linux counts a process's time in hundredths of a second. */
const TICKS_A_SECOND = 100;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly pid: number;
  readonly ended: Promise<Ended>;
}

export function start(args: readonly string[], cwd: string): Running {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd,
    env: { ...process.env, CI: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
  if (child.pid === undefined) throw new Error('the command did not start');
  return { pid: child.pid, ended };
}

/** Parent and processor time of a process, or undefined when it is gone. */
function statOf(pid: number): { readonly parent: number; readonly seconds: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    return { parent: Number(fields[1]), seconds: ticks / TICKS_A_SECOND };
  } catch {
    return undefined;
  }
}

/** The child of a running command, once it has worked for so long: in the middle of a scan on any machine. */
export async function scanProcess(running: Running, seconds: number): Promise<number> {
  let ended = false;
  void running.ended.then(() => {
    ended = true;
  });
  while (!ended) {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const stat = statOf(Number(name));
      if (stat?.parent === running.pid && stat.seconds >= seconds) return Number(name);
    }
    await sleep(POLL_MS);
  }
  throw new Error('the command ended before its scan was in the middle');
}
