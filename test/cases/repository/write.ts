/** Writes the generated cases into `rules/`: `npx tsx test/cases/repository/write.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { REPOSITORY_CASES } from './all.ts';

for (const { rule, name, bytes } of REPOSITORY_CASES) {
  const path = join('rules', rule, 'cases', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes());
}
