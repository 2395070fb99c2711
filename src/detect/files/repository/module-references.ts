/** Fields in which a configuration names a Python module or class for a loader to import. */
import { isJsonArray, isJsonObject, type JsonObject } from '../../../artifact/json.ts';
import type { ModuleReference } from '../../../evidence/repository.ts';
import type { Repository, RepositoryDetector } from '../repository-detector.ts';

const MAX_REFERENCES = 200;

interface Named {
  readonly field: string;
  readonly reference: string;
}

export const moduleReferenceDetector: RepositoryDetector = {
  name: 'module-references',
  inspect(repository, report) {
    const reportNamed = (relative: string, named: readonly Named[]): void => {
      for (const { field, reference } of named.slice(0, MAX_REFERENCES)) {
        const origin = originOf(repository, relative, reference);
        if (origin === 'known') continue;
        report.evidence({
          kind: 'module-reference',
          path: repository.pathOf(relative),
          location: { key: `/${field}` },
          field,
          reference,
          origin,
        });
      }
    };
    for (const relative of repository.named('model_index.json')) {
      reportNamed(relative, diffusersParts(objectOf(repository, relative)));
    }
    for (const relative of repository.named('modules.json')) {
      reportNamed(relative, sentenceModules(repository, relative));
    }
    for (const relative of repository.named('adapter_config.json')) {
      reportNamed(relative, adapterModules(objectOf(repository, relative)));
    }
  },
};

function objectOf(repository: Repository, relative: string): JsonObject {
  const root = repository.json(relative)?.document.value;
  return isJsonObject(root) ? root : {};
}

/** `"unet": ["diffusers", "UNet2DConditionModel"]`; `_class_name` may be such a pair too. */
function diffusersParts(root: JsonObject): Named[] {
  return Object.entries(root).flatMap(([field, value]) => {
    if (!isJsonArray(value)) return [];
    const [module, name] = value;
    return typeof module === 'string' && typeof name === 'string'
      ? [{ field, reference: `${module}.${name}` }]
      : [];
  });
}

function sentenceModules(repository: Repository, relative: string): Named[] {
  const root = repository.json(relative)?.document.value;
  return (isJsonArray(root) ? root : []).flatMap((item, index) =>
    isJsonObject(item) && typeof item['type'] === 'string'
      ? [{ field: `${index}/type`, reference: item['type'] }]
      : [],
  );
}

/** PEFT imports `auto_mapping.parent_library` and `megatron_core` by name. */
function adapterModules(root: JsonObject): Named[] {
  const found: Named[] = [];
  const mapping = root['auto_mapping'];
  if (isJsonObject(mapping)) {
    const library = mapping['parent_library'];
    const name = mapping['base_model_class'];
    if (typeof library === 'string') {
      const reference = typeof name === 'string' ? `${library}.${name}` : library;
      found.push({ field: 'auto_mapping', reference });
    }
  }
  const megatron = root['megatron_core'];
  if (typeof megatron === 'string') found.push({ field: 'megatron_core', reference: megatron });
  return found;
}

function originOf(
  repository: Repository,
  relative: string,
  reference: string,
): ModuleReference['origin'] {
  const root = reference.split('.', 1)[0] ?? '';
  if (repository.list('config-module-dangerous/modules').has(root)) return 'dangerous';
  if (repository.list('config-module-unknown/known-modules').has(root)) return 'known';
  const folder = relative.slice(0, relative.lastIndexOf('/') + 1);
  const isLocal =
    repository.has(`${folder}${root}.py`) || repository.has(`${folder}${root}/${root}.py`);
  return isLocal ? 'local' : 'unknown';
}
