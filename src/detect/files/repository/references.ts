/** References between files of a repository: weight maps, adapters, links, requirements, generation settings. */
import { isJsonObject, type JsonValue } from '../../../artifact/json.ts';
import { decodeText } from '../../../artifact/text.ts';
import type {
  AdapterReference,
  GenerationOverride,
  RequirementSource,
  WeightMapPath,
} from '../../../evidence/repository.ts';
import type { Repository, RepositoryDetector, RepositoryReport } from '../repository-detector.ts';
import { folderOf, resolveInside } from './view.ts';

/** The largest models have a few hundred. */
const MAX_SHARDS = 10_000;

export const weightMapDetector: RepositoryDetector = {
  name: 'weight-map',
  inspect(repository, report) {
    for (const relative of repository.named(/\.index(\.[\w-]+)?\.json$/)) {
      const root = repository.json(relative)?.document.value;
      const map = isJsonObject(root) ? root['weight_map'] : undefined;
      if (!isJsonObject(map)) continue;
      const shards = new Set(Object.values(map).filter((value) => typeof value === 'string'));
      const byProblem = new Map<WeightMapPath['problem'], string[]>();
      if (shards.size > MAX_SHARDS) {
        const why = `E_LIMIT: a weight map of more than ${MAX_SHARDS} files`;
        report.notCovered({ what: repository.pathOf(relative), why });
      }
      for (const shard of [...shards].slice(0, MAX_SHARDS)) {
        const problem = shardProblem(repository, folderOf(relative), shard);
        if (problem === undefined) continue;
        const known = byProblem.get(problem);
        if (known === undefined) byProblem.set(problem, [shard]);
        else known.push(shard);
      }
      for (const [problem, named] of byProblem) {
        const [shard = ''] = named;
        const path = repository.pathOf(relative);
        const location = { key: '/weight_map' };
        report.evidence({
          kind: 'weight-map-path',
          path,
          location,
          problem,
          shard,
          count: named.length,
        });
        if (problem === 'missing') {
          const what = repository.pathOf(`${folderOf(relative)}${shard}`);
          report.notCovered({
            what,
            why: 'E_NOT_FOUND: the weight map names a file that is not there',
          });
        }
      }
    }
  },
};

function shardProblem(
  repository: Repository,
  folder: string,
  shard: string,
): WeightMapPath['problem'] | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(shard)) return 'url';
  if (/^([/\\]|[a-zA-Z]:|~)/.test(shard)) return 'absolute';
  // Out of its own folder is out of what a loader should read, even when it stays in the repository.
  if (resolveInside('', shard) === undefined || shard.split(/[/\\]/).includes('..'))
    return 'climbs';
  const path = resolveInside(folder, shard);
  if (repository.alone) return undefined;
  return path !== undefined && repository.has(path) ? undefined : 'missing';
}

export const adapterDetector: RepositoryDetector = {
  name: 'adapter',
  inspect(repository, report) {
    for (const relative of repository.named('adapter_config.json')) {
      const root = repository.json(relative)?.document.value;
      if (!isJsonObject(root)) continue;
      for (const field of ['base_model_name_or_path', 'target_modules_path', 'config_path']) {
        const value = root[field];
        const problem = typeof value === 'string' ? pathProblem(value) : undefined;
        if (problem === undefined || typeof value !== 'string') continue;
        const path = repository.pathOf(relative);
        report.evidence({
          kind: 'adapter-reference',
          path,
          location: { key: `/${field}` },
          field,
          value,
          problem,
        });
      }
    }
  },
};

function pathProblem(value: string): AdapterReference['problem'] | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value) || value.startsWith('\\\\')) return 'url';
  if (value.split(/[/\\]/).includes('..')) return 'climbing-path';
  return /^([/\\~]|[a-zA-Z]:[/\\])/.test(value) ? 'absolute-path' : undefined;
}

export const linkDetector: RepositoryDetector = {
  name: 'links',
  inspect(repository, report) {
    for (const { relative, target } of repository.leavingLinks) {
      report.evidence({ kind: 'link-leaves-folder', path: repository.pathOf(relative), target });
    }
    const hard = repository.files.filter(({ hardLinked }) => hardLinked === true);
    const [first] = hard;
    if (first === undefined) return;
    const path = repository.pathOf(first.relative);
    report.evidence({ kind: 'hard-linked-files', path, count: hard.length });
  },
};

const MAX_REQUIREMENTS_BYTES = 1 << 20;
const MAX_REQUIREMENT_FACTS = 50;

export const requirementDetector: RepositoryDetector = {
  name: 'requirements',
  inspect(repository, report) {
    const files = repository.named(/^requirements[\w.-]*\.(txt|in)$/);
    for (const relative of files) reportRequirements(repository, report, relative);
  },
};

function reportRequirements(
  repository: Repository,
  report: RepositoryReport,
  relative: string,
): void {
  const bytes = repository.read(relative, MAX_REQUIREMENTS_BYTES);
  if (bytes === undefined) return;
  let facts = 0;
  for (const [index, raw] of decodeText(bytes).split(/\r?\n/).entries()) {
    if (facts >= MAX_REQUIREMENT_FACTS) return;
    const requirement = raw.replace(/(^|\s)#.*$/, '').trim();
    const problem = requirementProblem(requirement);
    if (problem === undefined) continue;
    facts += 1;
    const path = repository.pathOf(relative);
    report.evidence({
      kind: 'requirement-source',
      path,
      location: { line: index + 1 },
      requirement: requirement.slice(0, 300),
      problem,
    });
  }
}

function requirementProblem(line: string): RequirementSource['problem'] | undefined {
  if (/^(-i\b|--index-url|--extra-index-url|-f\b|--find-links)/.test(line)) {
    return /https:\/\/(pypi\.org|download\.pytorch\.org|files\.pythonhosted\.org)\//.test(line)
      ? undefined
      : 'index';
  }
  if (line.startsWith('--trusted-host')) return 'trusted-host';
  if (/\b(git|hg|svn|bzr)\+/.test(line)) {
    return /@[0-9a-f]{40}(?![0-9a-z])/.test(line) ? 'vcs-pinned' : 'vcs-unpinned';
  }
  if (/(^|@\s*)https?:\/\//.test(line)) return 'url';
  return /^(-e\s|file:|[./~])/.test(line) ? 'local-path' : undefined;
}

const STEERING_FIELDS: readonly string[] = [
  'sequence_bias',
  'bad_words_ids',
  'force_words_ids',
  'constraints',
];
const CODE_FIELDS: readonly string[] = ['custom_generate', 'trust_remote_code'];
const MAX_ORDINARY_TOKENS = 10_000_000;

export const generationConfigDetector: RepositoryDetector = {
  name: 'generation-config',
  inspect(repository, report) {
    for (const relative of repository.named('generation_config.json')) {
      const root = repository.json(relative)?.document.value;
      if (!isJsonObject(root)) continue;
      for (const [field, value] of Object.entries(root)) {
        const effect = generationEffect(field, value);
        if (effect === undefined) continue;
        const text = (JSON.stringify(value) ?? '').slice(0, 200);
        const path = repository.pathOf(relative);
        report.evidence({
          kind: 'generation-override',
          path,
          location: { key: `/${field}` },
          field,
          value: text,
          effect,
        });
      }
    }
  },
};

function generationEffect(
  field: string,
  value: JsonValue,
): GenerationOverride['effect'] | undefined {
  const isSet = value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
  if (!isSet) return undefined;
  if (CODE_FIELDS.includes(field)) return 'runs-code';
  if (STEERING_FIELDS.includes(field)) return 'steers';
  const length =
    field === 'max_new_tokens' ||
    field === 'max_length' ||
    field === 'min_new_tokens' ||
    field === 'min_length';
  return length && typeof value === 'number' && value > MAX_ORDINARY_TOKENS
    ? 'never-stops'
    : undefined;
}
