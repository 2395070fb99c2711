/** All report formats by name: adding one is a file and a line here. */
import { renderGithub } from './github.ts';
import { renderHtml } from './html/html.ts';
import { renderJson } from './json.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { renderPretty } from './pretty.ts';
import type { Report } from './report.ts';
import { renderSarif } from './sarif/sarif.ts';

export const FORMATS = {
  pretty: renderPretty,
  json: renderJson,
  sarif: renderSarif,
  html: renderHtml,
  markdown: renderMarkdown,
  junit: renderJunit,
  github: renderGithub,
} as const satisfies Readonly<Record<string, Report>>;

export type FormatName = keyof typeof FORMATS;

export const FORMAT_NAMES = Object.keys(FORMATS) as readonly FormatName[];

export function isFormat(name: string): name is FormatName {
  return Object.hasOwn(FORMATS, name);
}
