/** Chat templates in every file that can hold one: parsed and followed, never rendered. */
import { ggufTemplates, readGguf } from '../../../artifact/gguf/reader.ts';
import { readJson } from '../../../artifact/json.ts';
import { decodeText } from '../../../artifact/text.ts';
import type { FileDetector, FileReport, FileSubject } from '../detector.ts';
import { analyseTemplate, type TemplateLists } from './analyse.ts';
import {
  type FoundTemplate,
  holdsTemplateKey,
  isTemplateFile,
  templateInText,
  templatesInJson,
} from './places.ts';

const MAX_FILE_BYTES = 32 * 2 ** 20;

export const chatTemplateDetector: FileDetector = {
  name: 'chat-template',
  accepts(subject) {
    const base = baseName(subject);
    if (subject.format === 'gguf') return true;
    return subject.format === 'json'
      ? holdsTemplateKey(base) || isTemplateFile(base)
      : subject.format === 'text' && isTemplateFile(base);
  },
  inspect(subject, report) {
    if (subject.format === 'gguf') {
      reportTemplates(templatesInGguf(subject), subject, report);
      return;
    }
    if (subject.source.size > MAX_FILE_BYTES) {
      const what =
        subject.member === undefined ? subject.path : `${subject.path}!/${subject.member}`;
      report.notCovered({ what, why: `E_LIMIT: larger than ${MAX_FILE_BYTES} bytes` });
      return;
    }
    reportTemplates(templatesOf(subject), subject, report);
  },
};

/** Analyses templates that another reader found, such as those in GGUF metadata. */
export function reportTemplates(
  templates: readonly FoundTemplate[],
  subject: Pick<FileSubject, 'path' | 'budget' | 'list'>,
  report: FileReport,
): void {
  const lists = templateLists(subject);
  for (const { name, source, locate } of templates) {
    subject.budget.check();
    const place = { path: subject.path, template: name, locate };
    analyseTemplate(source, place, lists, (fact) => report.evidence(fact));
  }
}

function templatesInGguf({ source, member }: FileSubject): FoundTemplate[] {
  // Broken tables are the GGUF detector's to report; a template before the break still counts.
  const file = readGguf(source, () => {});
  return ggufTemplates(file).map(({ key, text, byteOffset }) => ({
    name: key === 'tokenizer.chat_template' ? 'default' : key.slice(key.lastIndexOf('.') + 1),
    source: text,
    locate: (offset) => ({
      ...(member !== undefined && { member }),
      byteOffset: byteOffset + Buffer.byteLength(text.slice(0, offset)),
      key,
    }),
  }));
}

function templatesOf(subject: FileSubject): FoundTemplate[] {
  const { source, member } = subject;
  const bytes = source.read(0, source.size);
  const base = baseName(subject);
  if (isTemplateFile(base))
    return [templateInText(decodeText(bytes), member ?? subject.path, member)];
  return templatesInJson(readJson(bytes, { allowNonFinite: true }), bytes, member);
}

function templateLists(subject: Pick<FileSubject, 'list'>): TemplateLists {
  return {
    attributes: subject.list('template-code-gadget/attributes'),
    names: subject.list('template-code-gadget/names'),
    markers: subject.list('template-trigger-condition/ordinary-markers'),
    phrases: subject.list('template-instruction/phrases'),
    hosts: subject.list('template-link/ordinary-hosts'),
  };
}

function baseName({ path, member }: FileSubject): string {
  const whole = member ?? path;
  return whole.slice(Math.max(whole.lastIndexOf('/'), whole.lastIndexOf('!')) + 1);
}
