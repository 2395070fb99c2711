/** Every known way past scanners has a case; the rules' own test decides the cases. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const table = z
  .array(
    z.strictObject({
      class: z.string(),
      references: z.array(z.string()).min(1),
      cases: z.array(z.string().regex(/^[a-z0-9-]+\/(positive|negative)-/)).min(1),
    }),
  )
  .parse(parse(readFileSync('test/cases/bypass-classes.yaml', 'utf8')));

/** The classes that the literature and the advisories name; a class is never taken out. */
const CLASSES = [
  'names-missing-from-block-lists',
  'indirection-to-any-callable',
  'child-of-a-blocked-module',
  'dotted-names-in-stack-global',
  'trust-in-a-root-package',
  'memo-and-stack-tricks',
  'code-first-then-a-broken-stream',
  'other-container',
  'extension-spoof',
  'zip-parser-differences',
  'torch-legacy-magic',
  'weights-only-bypass',
  'false-trail',
  'keras',
  'chat-templates',
  'gguf-memory-safety',
  'onnx',
  'safetensors',
  'tokenizer',
  'remote-code',
  'hydra-targets',
  'skops',
];

function casesOf(pattern: string): string[] {
  const [rule = '', name = ''] = pattern.split('/');
  const folder = join('rules', rule, 'cases');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((file) =>
    name.endsWith('*') ? file.startsWith(name.slice(0, -1)) : file === name,
  );
}

describe('classes of known bypass', () => {
  it('are all in the table', () => {
    expect(table.map((row) => row.class)).toEqual(CLASSES);
  });

  it.each(table.map((row) => [row.class, row] as const))('%s has its cases', (_name, row) => {
    for (const pattern of row.cases) expect(casesOf(pattern), pattern).not.toEqual([]);
  });
});
