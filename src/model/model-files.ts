/** Where the parts of a model lie: a Hugging Face folder, one GGUF file, or an adapter and its base. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FileSource } from '../artifact/byte-source.ts';
import { readGguf } from '../artifact/gguf/reader.ts';
import { type ModelConfig, readConfig } from './config.ts';
import { ggufConfig } from './gguf/config.ts';
import { GgufMetadata } from './gguf/metadata.ts';
import { type GgufPart, ggufParts, onlyGguf } from './gguf/parts.ts';
import { ggufTokenizer } from './gguf/tokenizer.ts';
import { buildTokenizer, openTokenizer, type Tokenizer } from './tokenizer.ts';

const MAX_VOCABULARY = 10_000_000;

/**
 * The GGUF file that `path` means: the file itself, or the only one of a folder without config.json; of a model that is
 * split over several files, the first.
 * @param path absolute real path
 */
export function ggufFileOf(path: string): string | undefined {
  if (statSync(path).isFile()) {
    return startsWithMagic(path) ? (ggufParts(path)[0] ?? path) : undefined;
  }
  if (existsSync(join(path, 'config.json'))) return undefined;
  const only = onlyGguf(path);
  return only === undefined ? undefined : ggufParts(only)[0];
}

function startsWithMagic(file: string): boolean {
  using source = new FileSource(file);
  return source.size >= 4 && Buffer.from(source.read(0, 4)).toString('latin1') === 'GGUF';
}

/** @throws ScanError `E_MODEL_CONFIG`, `E_NOT_FOUND`, `E_ARCHITECTURE` */
export function readModelConfig(path: string): ModelConfig {
  const real = realpathSync(path);
  const gguf = ggufFileOf(real);
  if (gguf === undefined) return readConfig(join(folderOf(real), 'config.json'));
  using source = new FileSource(gguf);
  const metadata = new GgufMetadata(source, gguf);
  // Rotary factors are a tensor, which may lie in any part.
  const sources: FileSource[] = [];
  try {
    const others = ggufParts(gguf)
      .slice(1)
      .map((path): GgufPart => {
        const part = new FileSource(path);
        sources.push(part);
        return { file: readGguf(part), source: part, path };
      });
    return ggufConfig(metadata, [{ file: metadata.file, source, path: gguf }, ...others]);
  } finally {
    for (const part of sources) part.close();
  }
}

/** @throws ScanError `E_TOKENIZER` */
export function readTokenizer(path: string, modelVocabularySize: number): Tokenizer {
  const real = realpathSync(path);
  const gguf = ggufFileOf(real);
  if (gguf === undefined) return openTokenizer(folderOf(real), modelVocabularySize);
  using source = new FileSource(gguf);
  return buildTokenizer(ggufTokenizer(new GgufMetadata(source, gguf)), modelVocabularySize);
}

/** Undefined when it cannot be read: for stages that go on without it. */
export function configBeside(path: string): ModelConfig | undefined {
  try {
    return readModelConfig(path);
  } catch {
    return undefined;
  }
}

/** Text of a token, read at the first call; always empty when the tokenizer cannot be read. */
export function tokenTextBeside(path: string): (tokenId: number) => string {
  let tokenizer: Tokenizer | undefined;
  let tried = false;
  return (tokenId) => {
    if (!tried) {
      tried = true;
      try {
        tokenizer = readTokenizer(path, MAX_VOCABULARY);
      } catch {
        // The file stage reports broken tokenizers; a missing text takes nothing from the numbers.
      }
    }
    return tokenizer?.tokenText(tokenId) ?? '';
  };
}

function folderOf(path: string): string {
  return statSync(path).isDirectory() ? path : dirname(path);
}
