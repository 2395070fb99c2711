/** `auto_map` and fields like it: which Python code a loader would import, from this repository or another. */
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from '../../../artifact/json.ts';
import type { Location } from '../../../evidence/evidence.ts';
import type { JsonFile, Repository, RepositoryDetector } from '../repository-detector.ts';
import { folderOf } from './view.ts';

export interface CodeReference {
  readonly configFile: string;
  /** `auto_map/AutoModel`. */
  readonly field: string;
  readonly reference: string;
  /** Another repository, when the reference names one. */
  readonly repository?: string;
  /** Path of the Python file, relative to the target. */
  readonly file: string;
}

const MAX_REFERENCES = 50;
const MAX_CONFIG_BYTES = 4 * 2 ** 20;

/** JSON files in which transformers, diffusers and PEFT look for code references. */
export function configFiles(repository: Repository): readonly string[] {
  const sizes = new Map(repository.files.map((file) => [file.relative, file.byteLength]));
  return repository
    .named(/^(config|params|.*_config|model_index)(\.[\w-]+)?\.json$/)
    .filter((relative) => (sizes.get(relative) ?? 0) <= MAX_CONFIG_BYTES);
}

export function codeReferences(repository: Repository): readonly CodeReference[] {
  return configFiles(repository).flatMap((relative) => {
    const root = repository.json(relative)?.document.value;
    return isJsonObject(root) ? referencesOf(relative, root) : [];
  });
}

function referencesOf(configFile: string, root: JsonObject): CodeReference[] {
  const found: CodeReference[] = [];
  const add = (field: string, value: JsonValue | undefined): void => {
    if (isJsonArray(value)) for (const item of value) add(field, item);
    else if (typeof value === 'string') found.push(codeReference(configFile, field, value));
  };
  const autoMap = root['auto_map'];
  if (isJsonObject(autoMap)) {
    for (const [name, value] of Object.entries(autoMap)) add(`auto_map/${name}`, value);
  } else add('auto_map', autoMap);
  const pipelines = root['custom_pipelines'];
  if (isJsonObject(pipelines)) {
    for (const [name, value] of Object.entries(pipelines)) {
      if (isJsonObject(value)) add(`custom_pipelines/${name}/impl`, value['impl']);
    }
  }
  return found;
}

/** `module.Class` or `owner/repository--module.Class`, as transformers splits it. */
function codeReference(configFile: string, field: string, reference: string): CodeReference {
  const separator = reference.indexOf('--');
  const repository = separator < 0 ? undefined : reference.slice(0, separator);
  const dotted = separator < 0 ? reference : reference.slice(separator + 2);
  const module = dotted.slice(0, Math.max(0, dotted.lastIndexOf('.')));
  const file = `${folderOf(configFile)}${module.replaceAll('.', '/')}.py`;
  return { configFile, field, reference, file, ...(repository !== undefined && { repository }) };
}

export const autoMapDetector: RepositoryDetector = {
  name: 'auto-map',
  inspect(repository, report) {
    for (const relative of configFiles(repository)) {
      const json = repository.json(relative);
      const root = json?.document.value;
      if (json === undefined || !isJsonObject(root)) continue;
      const references = referencesOf(relative, root).slice(0, MAX_REFERENCES);
      for (const origin of ['other-repository', 'inside', 'missing'] as const) {
        const mine = references.filter((reference) => originOf(repository, reference) === origin);
        if (mine.length === 0) continue;
        const sources = mine.map(({ repository: other, file }) => other ?? file);
        report.evidence({
          kind: 'remote-code',
          path: repository.pathOf(relative),
          location: fieldLocation(json, root, mine[0]?.field ?? ''),
          origin,
          references: mine.map(
            ({ field, reference }) => `${field.split('/').at(-1)}: ${reference}`,
          ),
          sources: [...new Set(sources)],
        });
        if (origin === 'inside') continue;
        report.notCovered({
          what: `${repository.pathOf(relative)}: ${[...new Set(sources)].join(', ')}`,
          why:
            origin === 'missing'
              ? 'E_NOT_FOUND: auto_map names code that is not in the repository'
              : 'E_OUTSIDE: auto_map names code of another repository',
        });
      }
    }
  },
};

function originOf(
  repository: Repository,
  { repository: other, file }: CodeReference,
): 'inside' | 'missing' | 'other-repository' {
  if (other !== undefined) return 'other-repository';
  return repository.has(file) || repository.alone ? 'inside' : 'missing';
}

function fieldLocation({ document }: JsonFile, root: JsonObject, field: string): Location {
  const byteOffset = document.offsetOf(root, field.split('/')[0] ?? '');
  return { key: `/${field}`, ...(byteOffset !== undefined && { byteOffset }) };
}
