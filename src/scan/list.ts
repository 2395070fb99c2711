/**
 * Scans a list of any length: lines in, one JSON line out for each in the order of the list, memory flat. A journal
 * remembers how far the output is whole, so that an interrupted run goes on where it stopped and no target is
 * missing or there twice.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { z } from 'zod';
import { ScanError, serializeError, toScanError } from '../errors.ts';
import type { Verdict } from '../finding/finding.ts';
import { failedEntry, type ListEntry } from './list-entry.ts';
import type { CancelSignal } from './stage.ts';

export interface ListRun {
  /** File with one target a line; blank lines and lines that start with `#` do not count. */
  readonly list: string;
  /** JSON lines are written here. */
  readonly output: string;
  /** Position of an earlier run of the same list; written while this one goes on. */
  readonly journal: string;
  readonly parallel: number;
  scan(target: string, index: number): Promise<ListEntry>;
  readonly cancel?: CancelSignal;
  onDone?(done: number): void;
}

export interface ListSummary {
  readonly done: number;
  /** Done by an earlier run. */
  readonly resumed: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly interrupted: boolean;
}

const MAX_LINE_CHARS = 4096;
/** Results that wait for an earlier one, in multiples of the parallel scans. */
const WINDOW = 8;
const JOURNAL_EVERY = 64;

const verdictCounts = z.object({
  pass: z.number().int(),
  fail: z.number().int(),
  incomplete: z.number().int(),
});
const journalFile = z.object({
  schema: z.literal('narrowfire/list-journal/v1'),
  list: z.string(),
  done: z.number().int().nonnegative(),
  outputBytes: z.number().int().nonnegative(),
  verdicts: verdictCounts,
});
type Journal = z.infer<typeof journalFile>;

/** The targets of a list, one by one. @throws ScanError `E_USAGE` for a line that cannot be a target. */
export async function* readTargets(path: string): AsyncGenerator<string> {
  let rest = '';
  let line = 0;
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 16 })) {
    const parts = (rest + String(chunk)).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      line += 1;
      const target = targetOf(part, path, line);
      if (target !== undefined) yield target;
    }
    if (rest.length > MAX_LINE_CHARS) targetOf(rest, path, line + 1);
  }
  const last = targetOf(rest, path, line + 1);
  if (last !== undefined) yield last;
}

function targetOf(text: string, file: string, line: number): string | undefined {
  const target = text.replace(/\r$/, '').trim();
  if (target === '' || target.startsWith('#')) return undefined;
  if (target.length > MAX_LINE_CHARS || target.includes('\0')) {
    throw new ScanError('E_USAGE', `line ${line} is no target`, { file });
  }
  return target;
}

/** @throws ScanError `E_USAGE` when the journal belongs to another list, `E_IO` when the output cannot be written. */
export async function scanList(run: ListRun): Promise<ListSummary> {
  return new ListScan(run).all();
}

class ListScan {
  readonly #run: ListRun;
  readonly #identity: string;
  readonly #waiting = new Map<number, string>();
  readonly #verdictOf = new Map<number, Verdict>();
  readonly #counts: Record<Verdict, number> = { pass: 0, fail: 0, incomplete: 0 };
  #descriptor = -1;
  #written = 0;
  #outputBytes = 0;
  #failure: unknown;

  constructor(run: ListRun) {
    this.#run = run;
    this.#identity = identityOf(run.list);
  }

  async all(): Promise<ListSummary> {
    const earlier = this.#readJournal();
    Object.assign(this.#counts, earlier.verdicts);
    this.#written = earlier.done;
    this.#outputBytes = earlier.outputBytes;
    this.#descriptor = openOutput(this.#run.output, earlier.outputBytes);
    let interrupted = false;
    try {
      interrupted = await this.#scanFrom(earlier.done);
    } finally {
      if (this.#failure === undefined) this.#writeJournal();
      closeSync(this.#descriptor);
    }
    return { done: this.#written, resumed: earlier.done, verdicts: this.#counts, interrupted };
  }

  async #scanFrom(start: number): Promise<boolean> {
    const running = new Set<Promise<void>>();
    const { parallel, cancel } = this.#run;
    let index = 0;
    let interrupted = false;
    for await (const target of readTargets(this.#run.list)) {
      const mine = index;
      index += 1;
      if (mine < start) continue;
      if (cancel?.cancelled === true) {
        interrupted = true;
        break;
      }
      const work = this.#one(target, mine).finally(() => running.delete(work));
      running.add(work);
      // One slow target may hold back a window of results, never the whole list.
      while (running.size >= parallel || mine - this.#written >= parallel * WINDOW) {
        await Promise.race(running);
      }
      if (this.#failure !== undefined) break;
    }
    await Promise.all(running);
    if (this.#failure !== undefined) throw this.#failure;
    return interrupted;
  }

  async #one(target: string, index: number): Promise<void> {
    let entry: ListEntry;
    try {
      entry = await this.#run.scan(target, index);
    } catch (thrown) {
      entry = failedEntry(index, target, serializeError(toScanError(thrown, target)));
    }
    this.#waiting.set(index, `${JSON.stringify(entry)}\n`);
    this.#verdictOf.set(index, entry.verdict);
    try {
      this.#flush();
    } catch (thrown) {
      this.#failure ??= toScanError(thrown, this.#run.output);
    }
  }

  #flush(): void {
    for (;;) {
      const line = this.#waiting.get(this.#written);
      const verdict = this.#verdictOf.get(this.#written);
      if (line === undefined || verdict === undefined) return;
      const bytes = Buffer.from(line);
      for (let at = 0; at < bytes.byteLength; ) {
        at += writeSync(this.#descriptor, bytes, at, bytes.byteLength - at);
      }
      this.#waiting.delete(this.#written);
      this.#verdictOf.delete(this.#written);
      this.#written += 1;
      this.#outputBytes += bytes.byteLength;
      this.#counts[verdict] += 1;
      if (this.#written % JOURNAL_EVERY === 0) this.#writeJournal();
      this.#run.onDone?.(this.#written);
    }
  }

  #readJournal(): Journal {
    const { journal, output } = this.#run;
    const fresh: Journal = {
      schema: 'narrowfire/list-journal/v1',
      list: this.#identity,
      done: 0,
      outputBytes: 0,
      verdicts: { pass: 0, fail: 0, incomplete: 0 },
    };
    if (!existsSync(journal)) return fresh;
    const parsed = journalFile.safeParse(parseJson(readFileSync(journal, 'utf8')));
    if (!parsed.success) {
      throw new ScanError('E_USAGE', 'this is no journal of a list scan', { file: journal });
    }
    if (parsed.data.list !== this.#identity) {
      throw new ScanError('E_USAGE', 'the journal belongs to another list', {
        file: journal,
        hint: 'Name another journal, or delete it to start again.',
      });
    }
    if (!existsSync(output) && parsed.data.outputBytes > 0) {
      throw new ScanError('E_USAGE', 'the results that the journal speaks of are gone', {
        file: output,
      });
    }
    return parsed.data;
  }

  /** The output reaches the disk before the journal claims it. */
  #writeJournal(): void {
    fsyncSync(this.#descriptor);
    const journal: Journal = {
      schema: 'narrowfire/list-journal/v1',
      list: this.#identity,
      done: this.#written,
      outputBytes: this.#outputBytes,
      verdicts: this.#counts,
    };
    const temporary = `${this.#run.journal}.tmp`;
    writeFileSync(temporary, `${JSON.stringify(journal)}\n`);
    renameSync(temporary, this.#run.journal);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Opens the results and cuts off what an interrupted run left after the journal's position. */
function openOutput(path: string, bytes: number): number {
  const descriptor = openSync(path, bytes === 0 ? 'w' : 'r+');
  const { size } = fstatSync(descriptor);
  if (size < bytes) {
    closeSync(descriptor);
    throw new ScanError('E_USAGE', 'the results are shorter than the journal says', { file: path });
  }
  ftruncateSync(descriptor, bytes);
  closeSync(descriptor);
  return openSync(path, 'a');
}

/** Size and first bytes: enough to notice that another list was given. */
function identityOf(path: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (thrown) {
    throw toScanError(thrown, path);
  }
  try {
    const head = Buffer.alloc(1 << 16);
    const read = readSync(descriptor, head, 0, head.byteLength, 0);
    const { size } = fstatSync(descriptor);
    const hash = createHash('sha256').update(head.subarray(0, read)).digest('hex');
    return `${size}-${hash}`;
  } finally {
    closeSync(descriptor);
  }
}
