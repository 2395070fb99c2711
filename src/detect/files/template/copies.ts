/** Copies of one chat template in several files: loaders prefer different ones, so all must say the same. */
import { ggufTemplates, readGguf } from '../../../artifact/gguf/reader.ts';
import { parseTemplate } from '../../../artifact/template/parse.ts';
import { decodeText } from '../../../artifact/text.ts';
import { ScanError } from '../../../errors.ts';
import { folderOf } from '../repository/view.ts';
import type { Repository, RepositoryDetector } from '../repository-detector.ts';
import { followTemplate } from './flow.ts';
import {
  type FoundTemplate,
  holdsTemplateKey,
  isTemplateFile,
  templateInText,
  templatesInJson,
} from './places.ts';
import { HOLE, USER_HOLE } from './value.ts';
import { proseWords } from './wording.ts';

const MAX_TEMPLATE_BYTES = 4 * 2 ** 20;
const MAX_COPIES = 64;
const MAX_FACTS = 10;

interface Copy {
  readonly relative: string;
  readonly template: FoundTemplate;
  /** What the template can say, and the words that it looks for. */
  readonly sayings: ReadonlyMap<string, number>;
}

export const templateCopiesDetector: RepositoryDetector = {
  name: 'chat-template-copies',
  inspect(repository, report) {
    const groups = new Map<string, Copy[]>();
    for (const copy of copiesIn(repository)) {
      const group = `${rootOf(copy.relative)}\0${copy.template.name}`;
      groups.set(group, [...(groups.get(group) ?? []), copy]);
    }
    let facts = 0;
    for (const [reference, ...others] of groups.values()) {
      if (reference === undefined) continue;
      for (const copy of others) {
        const here = firstOnly(copy.sayings, reference.sayings);
        const there = firstOnly(reference.sayings, copy.sayings);
        if ((here.words === 0 && there.words === 0) || facts >= MAX_FACTS) continue;
        facts += 1;
        report.evidence({
          kind: 'template-copies-differ',
          path: repository.pathOf(copy.relative),
          location: copy.template.locate(0),
          template: copy.template.name,
          otherPath: repository.pathOf(reference.relative),
          onlyHere: here.text,
          onlyHereWords: here.words,
          onlyThere: there.text,
          onlyThereWords: there.words,
        });
      }
    }
  },
};

/** Templates in `additional_chat_templates/` belong to the tokenizer beside that folder. */
function rootOf(relative: string): string {
  return folderOf(relative).replace(/additional_chat_templates\/$/, '');
}

function* copiesIn(repository: Repository): Generator<Copy> {
  const paths = [
    ...repository.named(/\.json$/).filter((path) => holdsTemplateKey(baseOf(path))),
    ...repository.named(/\.(jinja2?|j2)$/),
    ...repository.named(/\.gguf$/),
  ].slice(0, MAX_COPIES);
  for (const relative of paths) {
    for (const template of templatesIn(repository, relative)) {
      const sayings = sayingsOf(template.source);
      if (sayings !== undefined) yield { relative, template, sayings };
    }
  }
}

function templatesIn(repository: Repository, relative: string): readonly FoundTemplate[] {
  const base = baseOf(relative);
  if (base.endsWith('.gguf')) {
    const found = repository.use(relative, (source) => ggufTemplates(readGguf(source, () => {})));
    return (found ?? []).map(({ key, text, byteOffset }) => ({
      name: key === 'tokenizer.chat_template' ? 'default' : key.slice(key.lastIndexOf('.') + 1),
      source: text,
      locate: () => ({ byteOffset, key }),
    }));
  }
  if (isTemplateFile(base)) {
    const bytes = repository.read(relative, MAX_TEMPLATE_BYTES);
    return bytes === undefined ? [] : [templateInText(decodeText(bytes), relative)];
  }
  const json = repository.json(relative);
  return json === undefined ? [] : templatesInJson(json.document, json.bytes);
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function sayingsOf(source: string): ReadonlyMap<string, number> | undefined {
  try {
    const flow = followTemplate(parseTemplate(source));
    const sayings = new Map<string, number>();
    const texts = [
      ...flow.segments.map(({ text }) => text),
      ...flow.conditions.map(({ trigger }) => trigger.text),
    ];
    for (const text of texts) {
      // Quotes, spacing and the cut between pieces differ between exporters.
      for (const sentence of text.split(/[\n\r]+|[\ufdd0\ufdd1]|(?<=[.!?])\s+/)) {
        const plain = sentence
          .replaceAll(HOLE, ' ')
          .replaceAll(USER_HOLE, ' ')
          .replace(/\s+/g, ' ')
          .trim();
        const words = proseWords(plain);
        if (words > 0) sayings.set(plain, words);
      }
    }
    return sayings;
  } catch (thrown) {
    // A template that cannot be read is reported where it stands.
    if (thrown instanceof ScanError) return undefined;
    throw thrown;
  }
}

/** The longest text that only `mine` has, and the words of all of them. */
function firstOnly(
  mine: ReadonlyMap<string, number>,
  other: ReadonlyMap<string, number>,
): { text: string; words: number } {
  const only = [...mine].filter(([text]) => !other.has(text));
  const [longest] = only.toSorted((a, b) => b[1] - a[1]);
  const words = only.reduce((sum, [, count]) => sum + count, 0);
  return { text: (longest?.[0] ?? '').slice(0, 200), words };
}
