/**
 * Characters that a person does not see but a model reads: zero-width, bidirectional controls, tag characters,
 * blank letters. Emoji sequences and scripts that need joiners use some of them rightly, so context decides.
 */

export type HiddenKind = 'tag' | 'bidi' | 'zero-width' | 'blank';

export interface HiddenCharacter {
  readonly kind: HiddenKind;
  readonly codePoint: number;
  /** UTF-16 offset. */
  readonly offset: number;
}

const HIDDEN =
  /\u034f|\u17b4|\u17b5|[\u180b-\u180d]|[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]|[\u{1d173}-\u{1d17a}]|[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e00ff}\u{e01f0}-\u{e0fff}\u{1bca0}-\u{1bca3}]/gu;
const JOINED_SCRIPT =
  /[\p{Extended_Pictographic}\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Gujarati}\p{Script=Gurmukhi}\p{Script=Khmer}\p{Script=Mongolian}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Hebrew}]/u;

/** Up to `max` hidden characters in order; a byte-order mark at the start and joiners between letters do not count. */
export function hiddenCharacters(text: string, max = 100): HiddenCharacter[] {
  const found: HiddenCharacter[] = [];
  for (const match of text.matchAll(HIDDEN)) {
    const codePoint = match[0].codePointAt(0) ?? 0;
    if (isOrdinary(text, match.index, codePoint)) continue;
    found.push({ kind: kindOf(codePoint), codePoint, offset: match.index });
    if (found.length >= max) break;
  }
  return found;
}

/** `text` without anything invisible. */
export function visibleText(text: string): string {
  return text.replace(HIDDEN, '');
}

function isOrdinary(text: string, at: number, codePoint: number): boolean {
  if (codePoint === 0xfeff && at === 0) return true;
  const isSelector = codePoint >= 0xfe00 && codePoint <= 0xfe0f;
  const isJoiner = codePoint === 0x200d || codePoint === 0x200c;
  if (isSelector) return at > 0 && !/[\p{L}\s]/u.test(characterBefore(text, at));
  if (!isJoiner) return false;
  return JOINED_SCRIPT.test(characterBefore(text, at)) || text[at - 1] === '\ufe0f';
}

function characterBefore(text: string, at: number): string {
  return [...text.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
}

function kindOf(codePoint: number): HiddenKind {
  if (codePoint >= 0xe0000) return 'tag';
  if (
    codePoint === 0x061c ||
    codePoint === 0x200e ||
    codePoint === 0x200f ||
    (codePoint >= 0x202a && codePoint <= 0x202e) ||
    (codePoint >= 0x2066 && codePoint <= 0x2069)
  ) {
    return 'bidi';
  }
  const blank =
    codePoint === 0x3164 || codePoint === 0xffa0 || (codePoint >= 0x115f && codePoint <= 0x1160);
  return blank ? 'blank' : 'zero-width';
}
