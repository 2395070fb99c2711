/** Talks to a measuring process, ours or Python's: one JSON line for every "round". */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Job, Round } from './job.ts';

export class Measured {
  readonly ready: Readonly<Record<string, unknown>>;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    child: ChildProcess,
    lines: AsyncIterator<string>,
    ready: Readonly<Record<string, unknown>>,
  ) {
    this.#child = child;
    this.#lines = lines;
    this.ready = ready;
  }

  static async start(command: string, args: readonly string[]): Promise<Measured> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const input = child.stdout;
    if (input === null) throw new Error(`${command} has no output`);
    const lines = createInterface({ input })[Symbol.asyncIterator]();
    return new Measured(child, lines, await nextJson(lines));
  }

  static ours(folder: string, job: Job): Promise<Measured> {
    const file = join(folder, `job-${process.pid}.json`);
    writeFileSync(file, JSON.stringify(job));
    return Measured.start(process.execPath, ['--import', 'tsx', 'bench/engine/child.ts', file]);
  }

  async round(): Promise<Round> {
    this.#child.stdin?.write('round\n');
    const line = await nextJson(this.#lines);
    return {
      cpuSeconds: Number(line['cpuSeconds']),
      done: Number(line['done'] ?? line['tokens']),
      ...(typeof line['wallSeconds'] === 'number' && { wallSeconds: line['wallSeconds'] }),
    };
  }

  /** @returns peak resident bytes */
  async end(): Promise<number> {
    return Number((await this.report())['peakBytes']);
  }

  /** Ends it. @returns all that it says at its end */
  async report(): Promise<Readonly<Record<string, unknown>>> {
    this.#child.stdin?.write('end\n');
    const report = await nextJson(this.#lines);
    this.#child.stdin?.end();
    return report;
  }
}

async function nextJson(lines: AsyncIterator<string>): Promise<Record<string, unknown>> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('a measuring process ended early');
    // Libraries may print lines of their own.
    if (value.startsWith('{')) return JSON.parse(value) as Record<string, unknown>;
  }
}

/** Done a CPU second: the best of the rounds, since other work on the machine only ever slows one down. */
export function rate(rounds: readonly Round[]): number {
  return Math.max(...rounds.map(({ done, cpuSeconds }) => done / cpuSeconds));
}
