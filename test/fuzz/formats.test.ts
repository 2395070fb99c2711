/** Every structured format through its whole detector, on mutated sound and hostile seeds. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { MemorySource } from '../../src/artifact/byte-source.ts';
import { createBudget, DEFAULT_LIMITS } from '../../src/detect/files/budget.ts';
import type { FileDetector } from '../../src/detect/files/detector.ts';
import { FORMAT_DETECTORS } from '../../src/detect/files/formats.ts';
import { listLookup, loadLists } from '../../src/judge/lists.ts';
import { type FuzzTarget, fuzz } from './mutate.ts';

const MAX_SEED_BYTES = 12_000;
const list = listLookup(loadLists());

/** Case files of all rules with one of the extensions. */
function caseSeeds(...extensions: readonly string[]): readonly Uint8Array[] {
  const roots = readdirSync('rules', { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join('rules', entry.name, 'cases'));
  const seeds = roots.flatMap((root) =>
    readdirSync(root)
      .filter((name) => extensions.some((extension) => name.endsWith(extension)))
      .map((name) => readFileSync(join(root, name))),
  );
  return seeds.filter((seed) => seed.byteLength <= MAX_SEED_BYTES);
}

function detectorTarget(
  name: string,
  detectors: readonly string[],
  format: string,
  seeds: readonly Uint8Array[],
  member?: string,
): FuzzTarget {
  const chosen = FORMAT_DETECTORS.filter((detector) => detectors.includes(detector.name));
  if (chosen.length !== detectors.length) throw new Error(`no detector called ${detectors.join()}`);
  return { name, seeds, run: (bytes) => runDetectors(chosen, format, bytes, member) };
}

function runDetectors(
  detectors: readonly FileDetector[],
  format: string,
  bytes: Uint8Array,
  member: string | undefined,
): void {
  const subject = {
    path: 'model/file',
    ...(member !== undefined && { member }),
    source: new MemorySource(bytes, 'file'),
    format,
    depth: member === undefined ? 0 : 1,
    budget: createBudget(DEFAULT_LIMITS),
    list,
  };
  const report = {
    evidence: () => undefined,
    notCovered: () => undefined,
    nested: () => undefined,
  };
  for (const detector of detectors) detector.inspect(subject, report);
}

const json = caseSeeds('.json').filter((seed) => Buffer.from(seed).includes('class_name'));
const skopsSeeds = ['os', 'sklearn.pipeline'].map((module) =>
  Buffer.from(
    JSON.stringify({
      __loader__: 'ObjectNode',
      __module__: module,
      __class__: 'Pipeline',
      content: [
        { __loader__: 'MethodNode', __module__: 'a', __class__: 'B', content: { func: 'f' } },
      ],
    }),
  ),
);
const code = [
  Buffer.from(
    'def forward(self, x):\n  y = torch.from_file("/x", False)\n  return ops.a.b(torch.save(x))\n',
  ),
];

const TARGETS: readonly FuzzTarget[] = [
  detectorTarget('safetensors', ['safetensors'], 'safetensors', caseSeeds('.safetensors')),
  detectorTarget('gguf', ['gguf'], 'gguf', caseSeeds('.gguf')),
  detectorTarget('onnx', ['onnx'], 'onnx', caseSeeds('.onnx')),
  detectorTarget('hdf5', ['hdf5'], 'hdf5', caseSeeds('.h5')),
  detectorTarget('keras', ['keras-json'], 'json', json, 'config.json'),
  detectorTarget('tensorflow', ['tensorflow'], 'savedmodel', caseSeeds('.pb')),
  detectorTarget('graphdef', ['tensorflow'], 'graphdef', caseSeeds('.pb')),
  detectorTarget('tflite', ['tflite'], 'tflite', caseSeeds('.tflite')),
  detectorTarget('coreml', ['coreml'], 'coreml', caseSeeds('.mlmodel')),
  detectorTarget('npy', ['npy'], 'npy', caseSeeds('.npy')),
  detectorTarget('skops', ['skops'], 'json', skopsSeeds, 'schema.json'),
  detectorTarget('torchscript', ['torchscript'], 'text', code, 'm/code/__torch__.py'),
  detectorTarget('msgpack', ['msgpack'], 'unknown', caseSeeds('.msgpack')),
  detectorTarget('text-graph', ['tensorflow-text'], 'text', caseSeeds('.pbtxt')),
  detectorTarget('xml', ['xml'], 'text', caseSeeds('.xml')),
];

describe('mutated files', () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))('%s', (_name, target) => {
    fuzz(target);
  });
});
