/** Templates, tokenizers, configurations and code on mutated sound and hostile seeds, through whole detectors. */
import { describe, it } from 'vitest';
import { MemorySource } from '../../src/artifact/byte-source.ts';
import { readPython } from '../../src/artifact/python-source.ts';
import { parseTemplate } from '../../src/artifact/template/parse.ts';
import { createBudget, DEFAULT_LIMITS } from '../../src/detect/files/budget.ts';
import { hydraTargetDetector } from '../../src/detect/files/hydra-targets.ts';
import { lfsPointerDetector } from '../../src/detect/files/lfs-pointer.ts';
import { REPOSITORY_DETECTORS } from '../../src/detect/files/repository/registry.ts';
import { viewRepository } from '../../src/detect/files/repository/view.ts';
import { secretDetector } from '../../src/detect/files/secrets.ts';
import { analyseTemplate } from '../../src/detect/files/template/analyse.ts';
import { listLookup, loadLists } from '../../src/judge/lists.ts';
import { REPOSITORY_CASES } from '../cases/repository/all.ts';
import { HOSTILE_TEMPLATES } from '../cases/repository/hostile-templates.ts';
import { FUZZ_LIMITS, type FuzzTarget, fuzz } from './mutate.ts';

const list = listLookup(loadLists());
const none = new Set<string>();
const lists = { attributes: none, names: none, markers: none, phrases: none, hosts: none };
const ignore = (): void => undefined;
const report = { evidence: ignore, notCovered: ignore, nested: ignore };
const templates = Object.values(HOSTILE_TEMPLATES)
  .flatMap((group) => Object.values(group))
  .map((source) => Buffer.from(source))
  .filter((seed) => seed.byteLength < 260);

/** Small case files with one of the names, as seeds. */
function seedsNamed(pattern: RegExp): readonly Uint8Array[] {
  return REPOSITORY_CASES.filter(({ name }) => pattern.test(name))
    .map(({ bytes }) => bytes())
    .filter((seed) => seed.byteLength < 1500);
}

function repositoryTarget(name: string, detectors: readonly string[]): FuzzTarget {
  const chosen = REPOSITORY_DETECTORS.filter((detector) => detectors.includes(detector.name));
  if (chosen.length !== detectors.length) throw new Error(`no detector called ${detectors.join()}`);
  return {
    name,
    seeds: seedsNamed(new RegExp(`/${name.replaceAll('.', '\\.')}$`)),
    run(bytes) {
      const files = new Map([
        [name, bytes],
        ['modeling.py', Buffer.from('import os\n')],
      ]);
      const repository = viewRepository({
        files: [...files].map(([relative, { byteLength }]) => ({ relative, byteLength })),
        leavingLinks: [],
        open: (relative) => new MemorySource(files.get(relative) ?? new Uint8Array(0), relative),
        pathOf: (relative) => `m/${relative}`,
        list,
      });
      for (const detector of chosen) detector.inspect(repository, report);
    },
  };
}

function fileTarget(
  name: string,
  detector: typeof secretDetector,
  seeds: readonly Uint8Array[],
): FuzzTarget {
  return {
    name,
    seeds,
    run(bytes) {
      const source = new MemorySource(bytes, name);
      const budget = createBudget(DEFAULT_LIMITS);
      detector.inspect({ path: name, source, format: 'text', depth: 0, budget, list }, report);
    },
  };
}

const targets: readonly FuzzTarget[] = [
  {
    name: 'chat template, parsed',
    seeds: templates,
    run: (bytes) => void parseTemplate(Buffer.from(bytes).toString('utf8')),
  },
  {
    name: 'chat template, analysed',
    seeds: templates,
    run(bytes) {
      const place = { path: 'x', template: 'default', locate: () => ({}) };
      analyseTemplate(Buffer.from(bytes).toString('utf8'), place, lists, ignore);
    },
  },
  {
    name: 'python source',
    seeds: seedsNamed(/\.py$/),
    run: (bytes) => void readPython(Buffer.from(bytes).toString('utf8')),
  },
  repositoryTarget('tokenizer.json', ['tokenizer']),
  repositoryTarget('config.json', ['auto-map', 'code']),
  repositoryTarget('model_index.json', ['code', 'module-references']),
  repositoryTarget('adapter_config.json', ['module-references', 'adapter']),
  repositoryTarget('generation_config.json', ['generation-config']),
  repositoryTarget('model.safetensors.index.json', ['weight-map']),
  repositoryTarget('requirements.txt', ['requirements']),
  repositoryTarget('tokenizer_config.json', ['chat-template-copies']),
  fileTarget('conf.yaml', hydraTargetDetector, seedsNamed(/\.ya?ml$/)),
  fileTarget('README.md', secretDetector, seedsNamed(/\.(md|txt|py)$/)),
  fileTarget('model.bin', lfsPointerDetector, seedsNamed(/pointer\.bin$/)),
];
/** Parsing YAML and analysing templates cost more than reading a header. */
const SLOW: ReadonlySet<string> = new Set([
  'conf.yaml',
  'tokenizer_config.json',
  'chat template, analysed',
]);

describe('fuzz', () => {
  it.each(targets.map((target) => [target.name, target] as const))('%s', (name, target) => {
    const share = SLOW.has(name) ? 5 : 1;
    fuzz(target, { ...FUZZ_LIMITS, iterations: Math.ceil(FUZZ_LIMITS.iterations / share) });
  });
});
