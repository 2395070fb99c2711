/** Prompt sets of the interpretation commands: JSON lines with `prompt` or `text`, or one prompt a line. */
import { readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { ScanError, toScanError } from '../errors.ts';
import type { Model } from '../model/open-model.ts';

const MAX_PROMPT_FILE_BYTES = 64 * 1024 * 1024;
const MAX_PROMPTS = 100_000;

/** @throws ScanError `E_NOT_FOUND`, `E_CORPUS`, `E_LIMIT` */
export function readPrompts(file: string): string[] {
  const content = readText(file);
  const isJson = /^\.(jsonl|ndjson)$/.test(extname(file));
  const prompts = content.split(/\r?\n/).flatMap((line, i) => {
    if (line.trim() === '') return [];
    return [isJson ? fieldOf(parseLine(line, i + 1, file), ['prompt', 'text'], i + 1, file) : line];
  });
  if (prompts.length === 0) throw new ScanError('E_CORPUS', 'the file holds no prompts', { file });
  if (prompts.length > MAX_PROMPTS) {
    throw new ScanError('E_LIMIT', `${prompts.length} prompts, at most ${MAX_PROMPTS}`, { file });
  }
  return prompts;
}

export interface PromptPair {
  readonly clean: string;
  readonly corrupt: string;
  /** What the clean prompt leads to, and the corrupt one; the model's own first choices by default. */
  readonly answer?: string;
  readonly other?: string;
}

/** JSON lines with `clean` and `corrupt`, and optionally `answer` and `other`. */
export function readPairs(file: string): PromptPair[] {
  const pairs = readText(file)
    .split(/\r?\n/)
    .flatMap((line, i): PromptPair[] => {
      if (line.trim() === '') return [];
      const value = parseLine(line, i + 1, file);
      const optional = (key: 'answer' | 'other') =>
        typeof value[key] === 'string' ? { [key]: value[key] } : {};
      return [
        {
          clean: fieldOf(value, ['clean'], i + 1, file),
          corrupt: fieldOf(value, ['corrupt'], i + 1, file),
          ...optional('answer'),
          ...optional('other'),
        },
      ];
    });
  if (pairs.length === 0) throw new ScanError('E_CORPUS', 'the file holds no pairs', { file });
  return pairs;
}

function readText(file: string): string {
  try {
    if (statSync(file).size > MAX_PROMPT_FILE_BYTES) {
      throw new ScanError('E_LIMIT', `larger than ${MAX_PROMPT_FILE_BYTES} bytes`, { file });
    }
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    throw toScanError(thrown, file);
  }
}

function parseLine(line: string, number: number, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new ScanError('E_CORPUS', `line ${number} is not JSON`, { file, cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new ScanError('E_CORPUS', `line ${number} is not an object`, { file });
}

function fieldOf(
  value: Record<string, unknown>,
  keys: readonly string[],
  number: number,
  file: string,
): string {
  const text = keys.map((key) => value[key]).find((field) => typeof field === 'string');
  if (typeof text === 'string' && text !== '') return text;
  throw new ScanError('E_CORPUS', `line ${number} has no "${keys.join('" or "')}"`, { file });
}

/**
 * Ids of a prompt and of a text that follows it. Both are tokenized as one text, because a tokenizer may put a word
 * mark before a text that stands alone, or join the two at the seam; the prompt then ends where they part.
 */
export function promptAndResponse(
  model: Model,
  prompt: string,
  response: string,
): { readonly prompt: number[]; readonly response: number[] } {
  const before = model.tokenizer.encode(prompt);
  const whole = model.tokenizer.encode(prompt + response);
  let shared = 0;
  while (shared < before.length && shared < whole.length && before[shared] === whole[shared]) {
    shared++;
  }
  const head = model.tokenizer.bos === undefined ? [] : [model.tokenizer.bos];
  return { prompt: [...head, ...whole.slice(0, shared)], response: whole.slice(shared) };
}

/**
 * Ids of a prompt, begun as ordinary input is. Text beyond the model's positions is cut at the front.
 * @param room tokens kept free for what follows
 */
export function promptIds({ spec, tokenizer }: Model, prompt: string, room = 0): number[] {
  const head = tokenizer.bos === undefined ? [] : [tokenizer.bos];
  const most = spec.maxPositions - head.length - room;
  const ids = tokenizer.encode(prompt);
  if (head.length + ids.length === 0) {
    throw new ScanError('E_CORPUS', 'a prompt has no tokens');
  }
  return [...head, ...(ids.length > most ? ids.slice(ids.length - most) : ids)];
}
