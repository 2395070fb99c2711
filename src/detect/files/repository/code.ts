/** Python files of the repository: which of them a loader runs, and what they call. */

import { isJsonArray, isJsonObject } from '../../../artifact/json.ts';
import { type PythonName, readPython } from '../../../artifact/python-source.ts';
import { decodeText } from '../../../artifact/text.ts';
import type { CodeUse } from '../../../evidence/repository.ts';
import type { Repository, RepositoryDetector, RepositoryReport } from '../repository-detector.ts';
import { codeReferences } from './auto-map.ts';
import { folderOf, resolveInside } from './view.ts';

const MAX_CODE_BYTES = 2 ** 20;
const MAX_FILES = 2000;

/** Files that a program runs because of their name. */
const RUN_BY_NAME: Readonly<Record<string, string>> = {
  'handler.py': 'Inference Endpoints',
  'setup.py': 'pip',
  'conftest.py': 'pytest',
  'generate.py': 'custom_generate',
  'sitecustomize.py': 'Python itself',
  'usercustomize.py': 'Python itself',
};

export const codeDetector: RepositoryDetector = {
  name: 'code',
  inspect(repository, report) {
    const loaders = loaderFiles(repository);
    for (const [relative, loader] of loaders) {
      // `auto_map` has its own fact, with the class that asks for the file.
      if (loader === 'auto_map') continue;
      report.evidence({ kind: 'loader-code', path: repository.pathOf(relative), loader });
    }
    const files = repository.named(/\.pyw?$/).slice(0, MAX_FILES);
    for (const relative of files) reportCalls(repository, report, relative, loaders.get(relative));
  },
};

/** Relative path to what runs it: named by a configuration, by its own name, or imported by such a file. */
function loaderFiles(repository: Repository): ReadonlyMap<string, string> {
  const loaders = new Map<string, string>();
  for (const { file, repository: other } of codeReferences(repository)) {
    if (other === undefined && repository.has(file)) loaders.set(file, 'auto_map');
  }
  for (const [name, loader] of Object.entries(RUN_BY_NAME)) {
    for (const relative of repository.named(name)) {
      if (name === 'generate.py' && !folderOf(relative).endsWith('custom_generate/')) continue;
      loaders.set(relative, loader);
    }
  }
  for (const relative of repository.named('model_index.json')) {
    for (const module of localPipelineModules(repository, relative)) {
      const file = `${folderOf(relative)}${module}`;
      for (const candidate of [`${file}.py`, `${file}/${module}.py`]) {
        if (repository.has(candidate)) loaders.set(candidate, 'diffusers pipeline');
      }
    }
  }
  const queue = [...loaders.keys()];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const imported of importsOf(repository, next)) {
      if (loaders.has(imported)) continue;
      loaders.set(imported, loaders.get(next) ?? 'import');
      queue.push(imported);
    }
  }
  return loaders;
}

function localPipelineModules(repository: Repository, relative: string): string[] {
  const root = repository.json(relative)?.document.value;
  if (!isJsonObject(root)) return [];
  return Object.values(root).flatMap((value) => {
    const [module] = isJsonArray(value) ? value : [];
    return typeof module === 'string' && /^\w+$/.test(module) ? [module] : [];
  });
}

function importsOf(repository: Repository, relative: string): string[] {
  const bytes = repository.read(relative, MAX_CODE_BYTES);
  if (bytes === undefined) return [];
  return readPython(decodeText(bytes)).relativeImports.flatMap((module) => {
    const path = resolveInside(folderOf(relative), `${module.replaceAll('.', '/')}.py`);
    return path !== undefined && repository.has(path) ? [path] : [];
  });
}

function reportCalls(
  repository: Repository,
  report: RepositoryReport,
  relative: string,
  loader: string | undefined,
): void {
  const bytes = repository.read(relative, MAX_CODE_BYTES);
  const path = repository.pathOf(relative);
  if (bytes === undefined) {
    if (loader !== undefined)
      report.notCovered({
        what: path,
        why: 'E_LIMIT: code that a loader runs is too large to read',
      });
    return;
  }
  const source = decodeText(bytes);
  const { names } = readPython(source);
  const runs = matching(names, repository.list('loader-code-dangerous-call/runs'));
  const network = matching(names, repository.list('loader-code-dangerous-call/network'));
  const decodes = matching(names, repository.list('loader-code-dangerous-call/decodes'));
  const executes = runs.filter(({ name }) =>
    /^(exec|eval|compile|builtins\.(exec|eval))$|subprocess|os\.(system|popen|exec|spawn)/.test(
      name,
    ),
  );
  const hidden = executes.length > 0 && (decodes.length > 0 || fetches(network));
  const use: CodeUse | undefined = hidden
    ? 'decodes-and-runs'
    : runs.length > 0
      ? 'runs-code'
      : network.length > 0
        ? 'network'
        : undefined;
  if (use === undefined || (loader === undefined && use !== 'decodes-and-runs')) return;
  const found =
    use === 'network'
      ? network
      : use === 'runs-code'
        ? runs
        : [...executes, ...decodes, ...network];
  const first = found.toSorted((a, b) => a.offset - b.offset)[0];
  const offset = first?.offset ?? 0;
  report.evidence({
    kind: 'code-calls',
    path,
    location: {
      byteOffset: Buffer.byteLength(source.slice(0, offset)),
      line: source.slice(0, offset).split('\n').length,
    },
    loader: loader ?? 'none',
    use,
    calls: [...new Set(found.map(({ name }) => name))].slice(0, 20),
    excerpt: source.slice(offset, offset + 120).split('\n', 1)[0] ?? '',
  });
}

/** A request for a fixed file of a model hub is not a download of code. */
function fetches(network: readonly PythonName[]): boolean {
  return network.some(({ name }) => /urlopen|urlretrieve|requests\.|socket/.test(name));
}

/** Names on the list (`os.system`) or below a listed module (`subprocess.*`); bare names only when called. */
function matching(names: readonly PythonName[], list: ReadonlySet<string>): readonly PythonName[] {
  return names.filter(({ name, called }) => {
    if (!name.includes('.')) return called && list.has(name);
    const module = name.slice(0, name.indexOf('.'));
    return list.has(name) || list.has(`${module}.*`);
  });
}
