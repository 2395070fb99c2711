/** Chat-template cases of each rule: its hostile ones, and ordinary ones that must stay silent. */
import { type GgufTensorSpec, ggufFile, ggufText } from '../formats/gguf.ts';
import { casesOf, type RuleCase } from '../formats/rule-case.ts';
import { HOSTILE_TEMPLATES } from './hostile-templates.ts';
import { ORDINARY_TEMPLATES } from './ordinary-templates.ts';

const text = (source: string) => (): Uint8Array => Buffer.from(source);
const json = (value: unknown) => (): Uint8Array =>
  Buffer.from(`${JSON.stringify(value, null, 2)}\n`);

function ordinary(name: string): string {
  const source = ORDINARY_TEMPLATES[name];
  if (source === undefined) throw new Error(`no ordinary template called ${name}`);
  return source;
}

function hostile(rule: string, name: string): string {
  const source = HOSTILE_TEMPLATES[rule]?.[name];
  if (source === undefined) throw new Error(`no hostile template ${rule}/${name}`);
  return source;
}

function ggufWith(template: string, key = 'tokenizer.chat_template'): Uint8Array {
  const tensors: readonly GgufTensorSpec[] = [];
  const entries = [ggufText('general.architecture', 'llama'), ggufText(key, template)];
  return ggufFile({ entries, tensors });
}

/** Every rule sees all ordinary templates once: the closest one as its stored negative case, the rest in a test. */
const NEGATIVES: Readonly<Record<string, readonly string[]>> = {
  'template-code-gadget': ['qwen3', 'mistral-tools'],
  'template-dynamic-attribute': ['mistral-tools', 'gemma'],
  'template-trigger-condition': ['soft-switch', 'harmony', 'llama3', 'qwen-vision'],
  'template-text-condition': ['deepseek', 'qwen3', 'llama2'],
  'template-rewrites-text': ['soft-switch', 'deepseek'],
  'template-link': ['llama3', 'rag'],
  'template-image-leak': ['llama3-vision', 'qwen-vision'],
  'template-hidden-characters': ['deepseek', 'phi'],
  'template-hidden-instructions': ['deepseek', 'chatml'],
  'template-system-turn': ['llama2', 'qwen-vision', 'mistral'],
  'template-instruction': ['mistral', 'llama3'],
  'template-expansion': ['qwen3'],
  'template-loads-template': ['qwen3'],
  'template-unparsed': ['phi', 'rag'],
};

const jinjaCases = Object.entries(HOSTILE_TEMPLATES).flatMap(([rule, templates]) => [
  ...casesOf(
    rule,
    Object.fromEntries(
      Object.entries(templates).map(([name, source]) => [`positive-${name}.jinja`, text(source)]),
    ),
  ),
  ...casesOf(
    rule,
    Object.fromEntries(
      (NEGATIVES[rule] ?? []).map((name) => [`negative-${name}.jinja`, text(ordinary(name))]),
    ),
  ),
]);

const trigger = hostile('template-trigger-condition', 'word-in-content');
const gadget = hostile('template-code-gadget', 'joined-pieces');

/** Every place in which a loader looks for a template. */
const placeCases: readonly RuleCase[] = [
  ...casesOf('template-trigger-condition', {
    'positive-in-gguf.gguf': () => ggufWith(trigger),
    'positive-in-named-gguf.gguf': () => ggufWith(trigger, 'tokenizer.chat_template.tool_use'),
    'negative-in-gguf.gguf': () => ggufWith(ordinary('qwen3')),
    'positive-in-tokenizer-config/tokenizer_config.json': json({ chat_template: trigger }),
    'positive-in-template-list/tokenizer_config.json': json({
      chat_template: [
        { name: 'default', template: ordinary('chatml') },
        { name: 'tool_use', template: trigger },
      ],
    }),
    'positive-in-chat-template-json/chat_template.json': json({ chat_template: trigger }),
    'positive-in-processor-config/processor_config.json': json({ chat_template: trigger }),
    'positive-in-additional/additional_chat_templates/rag.jinja': text(trigger),
    'negative-in-tokenizer-config/tokenizer_config.json': json({
      chat_template: ordinary('llama3'),
    }),
  }),
  ...casesOf('template-code-gadget', {
    'positive-in-gguf.gguf': () => ggufWith(gadget),
    'positive-in-tokenizer-config/tokenizer_config.json': json({ chat_template: gadget }),
  }),
];

export const TEMPLATE_CASES: readonly RuleCase[] = [...jinjaCases, ...placeCases];
