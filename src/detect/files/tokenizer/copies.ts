/** The same tokenizer in several files must give the same ids: which file a loader prefers differs. */
import { isJsonObject, type JsonObject } from '../../../artifact/json.ts';
import { decodeText } from '../../../artifact/text.ts';
import type { TokenizerCopiesDiffer } from '../../../evidence/tokenizer.ts';
import type { Repository, RepositoryReport } from '../repository-detector.ts';
import { addedTokensDecoder, specialTokens, type TokenizerFile } from './read.ts';

const MAX_TEXT_BYTES = 64 * 2 ** 20;

interface Disagreement {
  readonly part: TokenizerCopiesDiffer['part'];
  readonly count: number;
  readonly example: string;
}

export function compareCopies(
  repository: Repository,
  report: RepositoryReport,
  tokenizerPath: string,
  folder: string,
  file: TokenizerFile,
): void {
  const emit = (other: string, found: Disagreement | undefined): void => {
    if (found === undefined) return;
    const path = repository.pathOf(tokenizerPath);
    report.evidence({
      kind: 'tokenizer-copies-differ',
      path,
      otherPath: repository.pathOf(other),
      ...found,
    });
  };
  const objectAt = (name: string): JsonObject | undefined => {
    const root = repository.json(`${folder}${name}`)?.document.value;
    return isJsonObject(root) ? root : undefined;
  };
  const ids = new Map<string, unknown>(file.vocabulary);
  for (const { content, id } of file.addedTokens) ids.set(content, id);

  const vocab = objectAt('vocab.json');
  if (vocab !== undefined) {
    emit(`${folder}vocab.json`, differingIds('vocabulary', Object.entries(vocab), ids));
  }
  const lines = repository.read(`${folder}vocab.txt`, MAX_TEXT_BYTES);
  if (lines !== undefined) {
    const entries = decodeText(lines)
      .split('\n')
      .map((line, id) => [line.replace(/\r$/, ''), id] as const);
    emit(`${folder}vocab.txt`, differingIds('vocabulary', entries, ids));
  }
  const added = objectAt('added_tokens.json');
  if (added !== undefined) {
    emit(`${folder}added_tokens.json`, differingIds('added-tokens', Object.entries(added), ids));
  }
  const config = objectAt('tokenizer_config.json');
  if (config !== undefined) {
    const entries = addedTokensDecoder(config).map(({ content, id }) => [content, id] as const);
    emit(`${folder}tokenizer_config.json`, differingIds('added-tokens', entries, ids));
    const map = objectAt('special_tokens_map.json');
    if (map !== undefined) emit(`${folder}special_tokens_map.json`, differingSpecials(config, map));
  }
  emit(`${folder}merges.txt`, differingMerges(repository, `${folder}merges.txt`, file));
}

function differingIds(
  part: Disagreement['part'],
  entries: readonly (readonly [string, unknown])[],
  ids: ReadonlyMap<string, unknown>,
): Disagreement | undefined {
  const wrong = entries.filter(([token, id]) => ids.has(token) && ids.get(token) !== id);
  const [first] = wrong;
  if (first === undefined) return undefined;
  const [token, id] = first;
  const example = `${JSON.stringify(token.slice(0, 60))} is ${String(ids.get(token))} and ${String(id)}`;
  return { part, count: wrong.length, example };
}

function differingSpecials(config: JsonObject, map: JsonObject): Disagreement | undefined {
  const here = specialTokens(config);
  const wrong = [...specialTokens(map)].filter(
    ([name, token]) => here.has(name) && here.get(name) !== token,
  );
  const [first] = wrong;
  if (first === undefined) return undefined;
  const [name, token] = first;
  const example = `${name} is ${JSON.stringify(here.get(name))} and ${JSON.stringify(token)}`;
  return { part: 'special-tokens', count: wrong.length, example: example.slice(0, 200) };
}

function differingMerges(
  repository: Repository,
  path: string,
  { merges }: TokenizerFile,
): Disagreement | undefined {
  const bytes = merges.length === 0 ? undefined : repository.read(path, MAX_TEXT_BYTES);
  if (bytes === undefined) return undefined;
  const lines = decodeText(bytes)
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .filter((line, index) => line !== '' && !(index === 0 && line.startsWith('#version')));
  let count = Math.abs(lines.length - merges.length);
  let example = `${merges.length} and ${lines.length} merges`;
  for (const [index, merge] of merges.entries()) {
    const line = lines[index];
    if (line === undefined || line === merge) continue;
    if (!example.startsWith('merge ')) {
      example = `merge ${index} is ${JSON.stringify(merge.slice(0, 60))} and ${JSON.stringify(line.slice(0, 60))}`;
    }
    count += 1;
  }
  return count === 0 ? undefined : { part: 'merges', count, example };
}
