/** What stands beside the weights, as far as it can be read: for stages that go on without it. */
import { realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ModelConfig, readConfig } from './config.ts';
import { openTokenizer, type Tokenizer } from './tokenizer.ts';

const MAX_VOCABULARY = 10_000_000;

/** @param path model folder or weights file. Undefined when there is no readable config.json. */
export function configBeside(path: string): ModelConfig | undefined {
  try {
    return readConfig(join(folderOf(path), 'config.json'));
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
        tokenizer = openTokenizer(folderOf(path), MAX_VOCABULARY);
      } catch {
        // The file stage reports broken tokenizers; a missing text takes nothing from the numbers.
      }
    }
    return tokenizer?.tokenText(tokenId) ?? '';
  };
}

function folderOf(path: string): string {
  const real = realpathSync(path);
  return statSync(real).isDirectory() ? real : dirname(real);
}
