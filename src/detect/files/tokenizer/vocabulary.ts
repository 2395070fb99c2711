/** One token, one id: duplicates, moved tokens, and ids that the model has no embedding for. */
import type { JsonDocument } from '../../../artifact/json.ts';
import type { TokenizerEvidence, VocabularyProblem } from '../../../evidence/tokenizer.ts';
import type { TokenizerFile } from './read.ts';

type Emit = (fact: TokenizerEvidence) => void;

class Problems {
  readonly #found = new Map<VocabularyProblem, { count: number; example: string }>();

  add(problem: VocabularyProblem, example: () => string): void {
    const known = this.#found.get(problem);
    if (known === undefined)
      this.#found.set(problem, { count: 1, example: example().slice(0, 300) });
    else known.count += 1;
  }

  flush(path: string, emit: Emit): void {
    for (const [problem, { count, example }] of this.#found) {
      const location = { key: problem.startsWith('added') ? '/added_tokens' : '/model/vocab' };
      emit({ kind: 'tokenizer-vocabulary', path, location, problem, count, example });
    }
  }
}

const show = (token: string): string => JSON.stringify(token.slice(0, 60));

export function checkVocabulary(
  file: TokenizerFile,
  duplicates: JsonDocument['duplicates'],
  path: string,
  emit: Emit,
): ReadonlyMap<number, string> {
  const problems = new Problems();
  const byId = new Map<number, string>();
  const byToken = new Map<string, number>();
  for (const [token, id] of file.vocabulary) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) {
      problems.add('bad-id', () => `${show(token)} has id ${JSON.stringify(id)}`);
      continue;
    }
    const other = byId.get(id);
    if (other !== undefined) {
      problems.add('shared-id', () => `${show(other)} and ${show(token)} both have id ${id}`);
    } else byId.set(id, token);
    if (byToken.has(token)) problems.add('duplicate-token', () => `${show(token)} stands twice`);
    byToken.set(token, id);
  }
  for (const { pointer, key } of duplicates) {
    if (pointer.startsWith('/model/vocab/')) {
      problems.add('duplicate-token', () => `${show(key)} stands twice`);
    }
  }
  for (const { id, content } of file.addedTokens) {
    const known = byToken.get(content);
    const other = byId.get(id);
    if (known !== undefined && known !== id) {
      problems.add(
        'added-token-moves',
        () => `${show(content)} is ${known} in the vocabulary and ${id} as added token`,
      );
    } else if (other !== undefined && other !== content) {
      problems.add(
        'added-token-takes-id',
        () => `id ${id} is ${show(other)} in the vocabulary and ${show(content)} as added token`,
      );
    }
    if (!byId.has(id)) byId.set(id, content);
    if (!byToken.has(content)) byToken.set(content, id);
  }
  problems.flush(path, emit);
  return byId;
}

export function checkIdRange(
  byId: ReadonlyMap<number, string>,
  vocabSize: number,
  path: string,
  emit: Emit,
): void {
  let maxId = -1;
  let count = 0;
  let example = '';
  for (const [id, token] of byId) {
    if (id < vocabSize) continue;
    if (count === 0) example = `${show(token)} has id ${id}`;
    count += 1;
    maxId = Math.max(maxId, id);
  }
  if (count === 0) return;
  emit({
    kind: 'token-id-range',
    path,
    location: { key: '/model/vocab' },
    maxId,
    vocabSize,
    count,
    example,
  });
}
