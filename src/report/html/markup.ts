/** HTML by tagged template: every inserted string is made visible, shortened and escaped; only `Markup` passes as it is. */
import { clip, visible } from '../safe-text.ts';

const MAX_TEXT = 4000;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Insert = string | number | Markup | readonly Markup[] | undefined;

export function escapeText(text: string): string {
  return visible(clip(text, MAX_TEXT)).replaceAll(
    /[&<>"']/g,
    (character) => ENTITIES[character] ?? character,
  );
}

function insert(value: Insert): string {
  if (value === undefined) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'string') return escapeText(value);
  if (typeof value === 'number') return String(value);
  return value.map((item) => item.text).join('');
}

export function html(strings: TemplateStringsArray, ...values: readonly Insert[]): Markup {
  let text = strings[0] ?? '';
  for (const [index, value] of values.entries()) text += insert(value) + (strings[index + 1] ?? '');
  return new Markup(text);
}

export const NOTHING: Markup = new Markup('');

/**
 * Text of a model, exactly: spaces at the edges and in runs get a mark that is not copied with them, and characters
 * that cannot be seen appear as escapes.
 */
export function literal(text: string, maxCharacters = MAX_TEXT): Markup {
  const shown = escapeText(clip(text, maxCharacters))
    .replaceAll(/\\u(?:\{[0-9a-f]+\}|[0-9a-f]{4})/g, '<span class="esc">$&</span>')
    .replaceAll(/^ +| +$| {2,}/gm, (spaces) => '<span class="sp"> </span>'.repeat(spaces.length))
    .replaceAll('\n', '<span class="nl">↵</span>\n');
  return new Markup(`<code class="lit">${shown}</code>`);
}
