/** Tokenizers of a repository: vocabulary, stages, added tokens, copies, and the model's vocabulary size. */
import { isJsonObject, readJson } from '../../../artifact/json.ts';
import type { FileEvidence } from '../../../evidence/file.ts';
import { folderOf } from '../repository/view.ts';
import type { Repository, RepositoryDetector } from '../repository-detector.ts';
import { checkAddedTokens } from './added-tokens.ts';
import { compareCopies } from './copies.ts';
import { checkPipeline } from './pipeline.ts';
import { readTokenizer } from './read.ts';
import { checkIdRange, checkVocabulary } from './vocabulary.ts';

const MAX_TOKENIZER_BYTES = 128 * 2 ** 20;

export const tokenizerDetector: RepositoryDetector = {
  name: 'tokenizer',
  inspect(repository, report) {
    for (const relative of repository.named('tokenizer.json')) {
      const path = repository.pathOf(relative);
      const bytes = repository.read(relative, MAX_TOKENIZER_BYTES);
      if (bytes === undefined) {
        report.notCovered({
          what: path,
          why: 'E_LIMIT: the tokenizer is too large or cannot be read',
        });
        continue;
      }
      // A grammar error is the JSON detector's to report; what follows needs a whole document.
      const document = readJson(bytes, { positions: false });
      if (!isJsonObject(document.value)) continue;
      const file = readTokenizer(document.value);
      const emit = (fact: FileEvidence): void => report.evidence(fact);
      const byId = checkVocabulary(file, document.duplicates, path, emit);
      checkPipeline(file, path, emit);
      checkAddedTokens(file.addedTokens, path, emit);
      const folder = folderOf(relative);
      compareCopies(repository, report, relative, folder, file);
      const vocabSize = vocabSizeOf(repository, folder);
      if (vocabSize !== undefined) checkIdRange(byId, vocabSize, path, emit);
    }
  },
};

/** `vocab_size` of the model that the tokenizer lies beside; multimodal models keep it in `text_config`. */
function vocabSizeOf(repository: Repository, folder: string): number | undefined {
  const root = repository.json(`${folder}config.json`)?.document.value;
  if (!isJsonObject(root)) return undefined;
  const nested = isJsonObject(root['text_config']) ? root['text_config'] : undefined;
  const size = root['vocab_size'] ?? nested?.['vocab_size'];
  return typeof size === 'number' && Number.isInteger(size) && size > 0 ? size : undefined;
}
