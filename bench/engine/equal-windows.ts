/** How many windows of the bundled corpora are equal, and so run once: counted with a tokenizer, no model is run. */

import { openTokenizer } from '../../src/model/tokenizer.ts';
import { bundledCorpora } from '../../src/probe/corpus.ts';
import { distinctWindows } from '../../src/sae/distinct-windows.ts';
import { fixedWindows } from '../../src/sae/train-model.ts';

export interface EqualWindows {
  readonly length: number;
  readonly windows: number;
  readonly distinct: number;
}

const LENGTHS = [8, 16, 32, 64, 128];

export function equalWindows(tokenizerFolder: string, vocabularySize: number): EqualWindows[] {
  const tokenizer = openTokenizer(tokenizerFolder, vocabularySize);
  const documents = bundledCorpora('corpora', 'generic')
    .flatMap((corpus) => corpus.documents)
    .map((text) => tokenizer.encode(text));
  return LENGTHS.map((length) => {
    const windows = fixedWindows(documents, length, tokenizer.bos);
    return { length, windows: windows.length, distinct: distinctWindows(windows).first.length };
  });
}
