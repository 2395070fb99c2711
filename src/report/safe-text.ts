/**
 * Text from a model is hostile: it can move a terminal's cursor, reverse the reading direction, break XML, or be a
 * megabyte long. Everything that reports print passes through here first.
 */

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** Controls, format and direction characters, line separators, ignorable and non-characters; not tab and line feed. */
const INVISIBLE =
  /(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/gu;

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Lone surrogates become U+FFFD: what is left can be encoded as UTF-8 and percent-encoded. */
export function wellFormed(text: string): string {
  return text.replaceAll(LONE_SURROGATE, '\ufffd');
}

/** Every character that cannot be seen becomes an escape that can; tab and line feed stay. */
export function visible(text: string): string {
  return text.replaceAll(LONE_SURROGATE, escapeCharacter).replaceAll(INVISIBLE, escapeCharacter);
}

/** As `visible`, on one line: line ends and tabs are escaped too. */
export function visibleLine(text: string): string {
  return visible(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

/** At most `maxCharacters`, never half a surrogate pair, and the number of characters left out. */
export function clip(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  const last = text.charCodeAt(maxCharacters - 1);
  const end = last >= 0xd800 && last <= 0xdbff ? maxCharacters - 1 : maxCharacters;
  return `${text.slice(0, end)}… (${text.length - end} more characters)`;
}

/**
 * JSON whose strings are valid Unicode and at most `maxCharacters` long, and whose invisible characters are written
 * as escapes: the values are kept, and the file is safe to look at.
 */
export function jsonText(value: unknown, maxCharacters: number = Number.POSITIVE_INFINITY): string {
  const text = JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string' ? wellFormed(clip(inner, maxCharacters)) : inner,
  );
  return text.replaceAll(INVISIBLE, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
