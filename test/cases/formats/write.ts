/** Writes the generated cases into `rules/`: `npx tsx test/cases/formats/write.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FORMAT_CASES } from './all.ts';

for (const { rule, name, bytes } of FORMAT_CASES) {
  const path = join('rules', rule, 'cases', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes());
}
