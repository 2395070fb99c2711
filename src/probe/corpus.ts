/**
 * Text that ships with the package and a user's own, JSON lines or plain: probe text (`--corpus`) and known texts
 * (`--known-text`).
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { ScanError, toScanError } from '../errors.ts';

const MAX_CORPUS_BYTES = 512 * 1024 * 1024;
/** The index over known texts holds them in memory. */
const MAX_KNOWN_TEXT_BYTES = 32 * 1024 * 1024;

export interface Corpus {
  readonly name: string;
  readonly documents: readonly string[];
  /** Corpora of one group make one reference. */
  readonly group: string;
  /** Tokens that are worth reading. */
  readonly maxTokens: number;
}

const USER_MAX_TOKENS = 1_000_000;

/** A text that many corpora hold, and the name that findings give it. */
export interface KnownDocument {
  readonly source: string;
  readonly text: string;
}

const manifestSchema = z.object({
  corpora: z.array(
    z.discriminatedUnion('role', [
      z.object({
        file: z.string(),
        role: z.literal('generic'),
        group: z.string(),
        maxTokens: z.number().int().positive(),
        sha256: z.string(),
        /** Given where the corpus is also a text that models learn by heart. */
        knownAs: z.string().optional(),
      }),
      z.object({ file: z.string(), role: z.literal('known-text'), sha256: z.string() }),
    ]),
  ),
});

type ManifestEntry = z.infer<typeof manifestSchema>['corpora'][number];

function readManifest(root: string): readonly ManifestEntry[] {
  const file = join(root, 'manifest.yaml');
  const parsed = manifestSchema.safeParse(parseYaml(readFileSync(file, 'utf8')));
  if (!parsed.success) throw new ScanError('E_CORPUS', 'the manifest is wrong', { file });
  return parsed.data.corpora;
}

/** SHA-256 of the generic text that ships with the package, as the manifest has them. */
export function bundledCorpusDigests(root: string): { name: string; sha256: string }[] {
  return readManifest(root)
    .filter(({ role }) => role === 'generic')
    .map(({ file, sha256 }) => ({ name: file, sha256 }));
}

/** Generic text that ships with the package. @param root folder that holds `manifest.yaml` */
export function bundledCorpora(root: string, role: 'generic'): Corpus[] {
  return readManifest(root).flatMap((entry) => {
    if (entry.role !== role) return [];
    const { file, group, maxTokens } = entry;
    return [{ ...readCorpus(join(root, file)), group, maxTokens }];
  });
}

/** Texts that models learn by heart, as they ship with the package. @param root folder that holds `manifest.yaml` */
export function bundledKnownTexts(root: string): KnownDocument[] {
  return readManifest(root).flatMap((entry) => {
    const file = join(root, entry.file);
    if (entry.role === 'known-text') return readKnownTexts(file);
    if (entry.knownAs === undefined) return [];
    // One document, because passages cross the places where the probe text is split.
    return [{ source: entry.knownAs, text: readCorpus(file).documents.join(' ') }];
  });
}

/**
 * @param file as for a corpus; JSON lines may name a `source`, and `.gz` is unpacked
 * @throws ScanError `E_CORPUS` when it is unreadable or holds no text, `E_LIMIT` when it is too large
 */
export function readKnownTexts(file: string): KnownDocument[] {
  const named = basename(file);
  return readDocuments(file, MAX_KNOWN_TEXT_BYTES).map(({ text, source }) => ({
    text,
    source: source ?? named,
  }));
}

/**
 * @param file `.jsonl` with a `text` field a line, or plain text with blank lines between documents
 * @throws ScanError `E_CORPUS` when it is unreadable or holds no text
 */
export function readCorpus(file: string): Corpus {
  const documents = readDocuments(file, MAX_CORPUS_BYTES).map(({ text }) => text);
  return { name: basename(file), documents, group: 'user', maxTokens: USER_MAX_TOKENS };
}

interface TextRow {
  readonly text: string;
  readonly source?: string;
}

function readDocuments(file: string, maxBytes: number): TextRow[] {
  const content = readContent(file, maxBytes);
  const extension = extname(file.replace(/\.gz$/, ''));
  const jsonLines = extension === '.jsonl' || extension === '.ndjson';
  const rows = jsonLines
    ? readJsonLines(content, file)
    : content.split(/\n\s*\n/).map((text): TextRow => ({ text }));
  const documents = rows
    .map((row) => ({ ...row, text: row.text.trim() }))
    .filter(({ text }) => text !== '');
  if (documents.length === 0) {
    throw new ScanError('E_CORPUS', 'the corpus holds no text', {
      file,
      hint: 'Give JSON lines with a "text" field, or plain text.',
    });
  }
  return documents;
}

function readContent(file: string, maxBytes: number): string {
  if (!existsSync(file)) throw new ScanError('E_NOT_FOUND', 'no such corpus', { file });
  const tooLarge = () =>
    new ScanError('E_LIMIT', `a text file may have ${maxBytes} bytes here`, { file });
  let bytes: Buffer;
  try {
    if (statSync(file).size > maxBytes) throw tooLarge();
    bytes = readFileSync(file);
  } catch (thrown) {
    throw toScanError(thrown, file);
  }
  if (!file.endsWith('.gz')) return bytes.toString('utf8');
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes }).toString('utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new ScanError('E_CORPUS', 'the file is not gzip', { file, cause });
  }
}

function readJsonLines(content: string, file: string): TextRow[] {
  const documents: TextRow[] = [];
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
    const row = value as { text?: unknown; source?: unknown } | null;
    const text = row?.text;
    if (typeof text !== 'string') {
      throw new ScanError('E_CORPUS', `line ${line} has no "text"`, { file });
    }
    const source = row?.source;
    documents.push(typeof source === 'string' ? { text, source } : { text });
  }
  return documents;
}
