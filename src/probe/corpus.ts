/** Probe text: the corpora that ship with the package, and a user's own (`--corpus`): JSON lines or plain text. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { ScanError, toScanError } from '../errors.ts';

const MAX_CORPUS_BYTES = 512 * 1024 * 1024;

export interface Corpus {
  readonly name: string;
  readonly documents: readonly string[];
  /** Corpora of one group make one reference. */
  readonly group: string;
  /** Tokens that are worth reading. */
  readonly maxTokens: number;
}

const USER_MAX_TOKENS = 1_000_000;

const manifestSchema = z.object({
  corpora: z.array(
    z.object({
      file: z.string(),
      role: z.enum(['generic', 'known-text']),
      group: z.string(),
      maxTokens: z.number().int().positive(),
      sha256: z.string(),
    }),
  ),
});

function manifestOf(root: string): z.infer<typeof manifestSchema>['corpora'] {
  const file = join(root, 'manifest.yaml');
  const parsed = manifestSchema.safeParse(parseYaml(readFileSync(file, 'utf8')));
  if (!parsed.success) throw new ScanError('E_CORPUS', 'the manifest is wrong', { file });
  return parsed.data.corpora;
}

/** SHA-256 of the generic text that ships with the package, as the manifest has them. */
export function bundledCorpusDigests(root: string): { name: string; sha256: string }[] {
  return manifestOf(root)
    .filter(({ role }) => role === 'generic')
    .map(({ file, sha256 }) => ({ name: file, sha256 }));
}

/** Generic text that ships with the package. @param root folder that holds `manifest.yaml` */
export function bundledCorpora(root: string, role: 'generic' | 'known-text'): Corpus[] {
  return manifestOf(root)
    .filter((entry) => entry.role === role)
    .map(({ file: name, group, maxTokens }) => ({
      ...readCorpus(join(root, name)),
      group,
      maxTokens,
    }));
}

/**
 * @param file `.jsonl` with a `text` field a line, or plain text with blank lines between documents
 * @throws ScanError `E_CORPUS` when it is unreadable or holds no text
 */
export function readCorpus(file: string): Corpus {
  if (!existsSync(file)) throw new ScanError('E_NOT_FOUND', 'no such corpus', { file });
  let content: string;
  try {
    if (statSync(file).size > MAX_CORPUS_BYTES) {
      throw new ScanError('E_LIMIT', `a corpus may have ${MAX_CORPUS_BYTES} bytes`, { file });
    }
    content = readFileSync(file, 'utf8');
  } catch (thrown) {
    throw toScanError(thrown, file);
  }
  const jsonLines = extname(file) === '.jsonl' || extname(file) === '.ndjson';
  const documents = (jsonLines ? readJsonLines(content, file) : content.split(/\n\s*\n/))
    .map((text) => text.trim())
    .filter((text) => text !== '');
  if (documents.length === 0) {
    throw new ScanError('E_CORPUS', 'the corpus holds no text', {
      file,
      hint: 'Give JSON lines with a "text" field, or plain text.',
    });
  }
  return { name: basename(file), documents, group: 'user', maxTokens: USER_MAX_TOKENS };
}

function readJsonLines(content: string, file: string): string[] {
  const documents: string[] = [];
  let line = 0;
  for (const raw of content.split('\n')) {
    line += 1;
    if (raw.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(raw);
    } catch (cause) {
      throw new ScanError('E_CORPUS', `line ${line} is not JSON`, { file, cause });
    }
    const text = (value as { text?: unknown } | null)?.text;
    if (typeof text !== 'string') {
      throw new ScanError('E_CORPUS', `line ${line} has no "text"`, { file });
    }
    documents.push(text);
  }
  return documents;
}
