/** Finds chat templates in the files that can hold them, with the place of each character. */
import {
  isJsonArray,
  isJsonObject,
  type JsonDocument,
  type JsonValue,
  lineAt,
} from '../../../artifact/json.ts';
import type { Location } from '../../../evidence/evidence.ts';

export interface FoundTemplate {
  readonly name: string;
  readonly source: string;
  locate(offset: number): Location;
}

/** Names of JSON files in which loaders look for `chat_template`. */
export function holdsTemplateKey(baseName: string): boolean {
  return (
    /^(tokenizer_config|processor_config|preprocessor_config|chat_template|generation_config|config)(\.[\w-]+)?\.json$/.test(
      baseName,
    ) || /chat_template.*\.json$/.test(baseName)
  );
}

export function isTemplateFile(baseName: string): boolean {
  return /\.(jinja2?|j2)$/.test(baseName);
}

/** `chat_template` as a string, as a list of `{name, template}`, or as an object of names. */
export function templatesInJson(
  document: JsonDocument,
  bytes: Uint8Array,
  member?: string,
): FoundTemplate[] {
  const found: FoundTemplate[] = [];
  const add = (
    name: string,
    source: JsonValue | undefined,
    container: object,
    key: string | number,
    pointer: string,
  ): void => {
    if (typeof source !== 'string') return;
    const byteOffset = document.offsetOf(container as Parameters<JsonDocument['offsetOf']>[0], key);
    const location: Location = {
      ...(member !== undefined && { member }),
      ...(byteOffset !== undefined && { byteOffset, line: lineAt(bytes, byteOffset) }),
      key: pointer,
    };
    found.push({ name, source, locate: () => location });
  };
  const root = document.value;
  if (!isJsonObject(root)) return found;
  for (const key of ['chat_template', 'chat_templates', 'default_chat_template']) {
    const value = root[key];
    add('default', value, root, key, `/${key}`);
    if (isJsonArray(value)) {
      for (const [index, item] of value.entries()) {
        if (!isJsonObject(item)) continue;
        const name = typeof item['name'] === 'string' ? item['name'] : String(index);
        add(name, item['template'], item, 'template', `/${key}/${index}/template`);
      }
    } else if (isJsonObject(value)) {
      for (const [name, text] of Object.entries(value))
        add(name, text, value, name, `/${key}/${name}`);
    }
  }
  return found;
}

/** A whole file is one template; `additional_chat_templates/rag.jinja` is called `rag`. */
export function templateInText(source: string, path: string, member?: string): FoundTemplate {
  const base = path.slice(path.lastIndexOf('/') + 1).replace(/\.(jinja2?|j2)$/, '');
  return {
    name: base === 'chat_template' ? 'default' : base,
    source,
    locate: (offset) => {
      const before = source.slice(0, offset);
      return {
        ...(member !== undefined && { member }),
        byteOffset: Buffer.byteLength(before),
        line: before.split('\n').length,
      };
    },
  };
}
