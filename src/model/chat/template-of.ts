/** The chat template that loaders would use for a model folder, and the words it refers to. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface ChatTemplate {
  readonly source: string;
  /** Relative path of the file that holds it. */
  readonly file: string;
  readonly variables: Readonly<Record<string, string>>;
}

const MAX_CONFIG_BYTES = 64 * 1024 * 1024;
const MAX_TEMPLATE_BYTES = 1024 * 1024;

/** @param folder absolute path; anything but a folder has no template that is read here */
export function chatTemplateOf(folder: string): ChatTemplate | undefined {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return undefined;
  const config = readObject(join(folder, 'tokenizer_config.json'));
  const variables = tokenTexts(config);
  // A file of its own wins over the key, as in transformers.
  const own = join(folder, 'chat_template.jinja');
  if (isSmallFile(own, MAX_TEMPLATE_BYTES)) {
    return { source: readFileSync(own, 'utf8'), file: 'chat_template.jinja', variables };
  }
  const source = defaultTemplate(config['chat_template']);
  return source === undefined ? undefined : { source, file: 'tokenizer_config.json', variables };
}

function defaultTemplate(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value.find((item) => item?.name === 'default') ?? value[0];
  return typeof named?.template === 'string' ? named.template : undefined;
}

/** `bos_token` and its like, as templates see them. */
function tokenTexts(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name of ['bos_token', 'eos_token', 'unk_token', 'pad_token']) {
    const value = config[name];
    const text =
      typeof value === 'object' && value !== null && 'content' in value ? value.content : value;
    texts[name] = typeof text === 'string' ? text : '';
  }
  return texts;
}

function readObject(file: string): Readonly<Record<string, unknown>> {
  if (!isSmallFile(file, MAX_CONFIG_BYTES)) return {};
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : {};
  } catch {
    // The file stage reports a broken file; a scan without its template goes on.
    return {};
  }
}

function isSmallFile(file: string, maxBytes: number): boolean {
  if (!existsSync(file)) return false;
  const status = statSync(file);
  return status.isFile() && status.size <= maxBytes;
}
