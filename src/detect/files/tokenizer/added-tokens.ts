/** Added tokens whose text is not what a reader sees: hidden characters, look-alikes, whole sentences. */
import { hiddenCharacters, visibleText } from '../../../artifact/hidden-text.ts';
import type { TokenizerEvidence } from '../../../evidence/tokenizer.ts';
import { proseWords, urlCount } from '../template/wording.ts';
import type { AddedToken } from './read.ts';

type Emit = (fact: TokenizerEvidence) => void;

/** Letters of other scripts that look like Latin ones; enough for names of control tokens. */
const LOOK_ALIKES: ReadonlyMap<string, string> = new Map(
  [
    ...'аa еe оo рp сc хx уy іi јj ѕs ԁd һh ԛq ѡw ɡg ΑA ΒB ΕE ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΧX ΥY ΖZ АA ВB ЕE КK МM НH ОO РP СC ТT ХX ǀ| ∣| ‹< ›> 〈< 〉>'.split(
      ' ',
    ),
  ].map((pair) => {
    const [other = '', latin = ''] = [...pair];
    return [other, latin] as const;
  }),
);
const MAX_FACTS = 20;

export function checkAddedTokens(tokens: readonly AddedToken[], path: string, emit: Emit): void {
  const bySkeleton = new Map<string, string>();
  for (const { content } of tokens) {
    if (content === skeleton(content)) bySkeleton.set(content, content);
  }
  let count = 0;
  for (const { id, content } of tokens) {
    const found = problemOf(content, bySkeleton);
    if (found === undefined) continue;
    const location = { key: `/added_tokens/${id}` };
    emit({
      kind: 'added-token-text',
      path,
      location,
      token: content.slice(0, 200),
      tokenId: id,
      ...found,
    });
    count += 1;
    if (count >= MAX_FACTS) return;
  }
}

type Problem = Pick<Extract<TokenizerEvidence, { kind: 'added-token-text' }>, 'problem' | 'detail'>;

function problemOf(content: string, bySkeleton: ReadonlyMap<string, string>): Problem | undefined {
  const twin = bySkeleton.get(skeleton(content));
  if (twin !== undefined && twin !== content) return { problem: 'look-alike', detail: twin };
  const hidden = hiddenCharacters(content);
  // A token that is one invisible character alone is ordinary; text with something hidden in it is not.
  if (hidden.length > 0 && /[\p{L}\p{N}\p{P}\p{S}]/u.test(visibleText(content))) {
    const codePoints = hidden.map(
      ({ codePoint }) => `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`,
    );
    return {
      problem: 'hidden-characters',
      detail: [...new Set(codePoints)].slice(0, 10).join(' '),
    };
  }
  if (urlCount(content) > 0) return { problem: 'address', detail: content.slice(0, 100) };
  const words = proseWords(content);
  return words >= MIN_SENTENCE_WORDS
    ? { problem: 'sentence', detail: `${words} words` }
    : undefined;
}

const MIN_SENTENCE_WORDS = 5;

/** What a reader sees: compatibility forms folded, invisible characters dropped, look-alikes in Latin. */
function skeleton(content: string): string {
  if (/^[\x20-\x7e]*$/.test(content)) return content;
  const folded = visibleText(content).normalize('NFKC');
  return [...folded].map((char) => LOOK_ALIKES.get(char) ?? char).join('');
}
