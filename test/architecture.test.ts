/** The table of docs/architecture.md holds: data flows one way, and files stay small enough to read. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, it } from 'vitest';

const EVERYWHERE = new Set([
  'errors.ts',
  'version.ts',
  'random.ts',
  'entry-point.ts',
  'evidence',
  'finding',
]);
const MAX_LINES = 450;

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll('\\', '/'));

const partOf = (path: string): string => path.split('/')[0] ?? path;

/** Which parts of `src/` each part may import, from the table. */
function allowedImports(): ReadonlyMap<string, ReadonlySet<string>> {
  const table = [
    ...readFileSync('docs/architecture.md', 'utf8').matchAll(
      /^\| `src\/([a-z.]+)\/?` +\|.*\| (.*?) *\|$/gm,
    ),
  ];
  const allowed = new Map<string, ReadonlySet<string>>();
  const above: string[] = [];
  for (const [, part = '', imports = ''] of table) {
    const names = imports.split(', ');
    const all =
      imports === 'all' ? files.map(partOf) : imports === 'all of the above' ? above : names;
    allowed.set(part, new Set(all));
    above.push(part);
  }
  return allowed;
}

function importsOf(file: string): readonly string[] {
  const text = readFileSync(join('src', file), 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => match[1] ?? '');
}

it('imports go only where the table allows', () => {
  const allowed = allowedImports();
  const wrong: string[] = [];
  for (const file of files) {
    for (const name of importsOf(file)) {
      if (!name.startsWith('.')) continue;
      const target = relative('src', normalize(join('src', dirname(file), name)));
      const [from, to] = [partOf(file), partOf(target)];
      if (from === to || EVERYWHERE.has(to)) continue;
      if (allowed.get(from)?.has(to) !== true) wrong.push(`${file} -> ${target}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(allowed.size).toBeGreaterThan(10);
});

it('only the engine knows ONNX Runtime', () => {
  const others = files.filter(
    (file) => importsOf(file).includes('onnxruntime-node') && partOf(file) !== 'engine',
  );
  expect(others).toEqual([]);
});

it('no module is longer than a reader can hold', () => {
  const long = files.filter(
    (file) => readFileSync(join('src', file), 'utf8').split('\n').length > MAX_LINES,
  );
  expect(long).toEqual([]);
});

it('every module says why it exists', () => {
  const silent = files.filter(
    (file) => !/^(#!.*\n)?\/\*\*|^\/\//.test(readFileSync(join('src', file), 'utf8')),
  );
  expect(silent).toEqual([]);
});
