/** The little Markdown of rule pages: headings, paragraphs, lists and code spans. Anything else stays text. */
import { html, Markup, NOTHING } from './markup.ts';

function inline(text: string): Markup {
  const parts = text.split(/(`[^`]+`)/).map((part) => {
    const isCode = part.length > 2 && part.startsWith('`') && part.endsWith('`');
    return isCode ? html`<code>${part.slice(1, -1)}</code>` : html`${part}`;
  });
  return html`${parts}`;
}

function block(lines: readonly string[]): Markup {
  const first = lines[0] ?? '';
  const heading = /^(#{1,4}) (.*)$/.exec(first);
  if (heading !== null) {
    const rest = lines.length > 1 ? block(lines.slice(1)) : NOTHING;
    // The page's own title stands in the card already.
    if (heading[1] === '#') return rest;
    return html`<h5>${inline(heading[2] ?? '')}</h5>${rest}`;
  }
  if (/^[-*] /.test(first)) {
    const items: string[] = [];
    for (const line of lines) {
      if (/^[-*] /.test(line)) items.push(line.slice(2));
      else items.push(`${items.pop() ?? ''} ${line.trim()}`);
    }
    return html`<ul>${items.map((item) => html`<li>${inline(item)}</li>`)}</ul>`;
  }
  return html`<p>${inline(lines.join(' '))}</p>`;
}

export function markdown(text: string): Markup {
  const blocks = text
    .split(/\n\s*\n/)
    .map((part) => part.split('\n').filter((line) => line.trim() !== ''))
    .filter((lines) => lines.length > 0);
  return new Markup(blocks.map((lines) => block(lines).text).join('\n'));
}
