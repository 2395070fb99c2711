/** What running one model needs of memory, said before anything runs: generation, and reading text in groups of layers. */
import { availableParallelism } from 'node:os';
import { formatError, toScanError } from '../errors.ts';
import { type LayerPlan, type PassSize, planLayers, workersWithin } from '../model/layer-groups.ts';
import { tensorBytes } from '../model/memory.ts';
import { openModel } from '../model/open-model.ts';
import type { ModelSpec } from '../model/spec.ts';
import { planGeneration } from '../probe/generation-memory.ts';
import type { Check } from './commands/doctor.ts';
import { megabytes, planText } from './memory-text.ts';

export interface NeedOptions {
  readonly memory?: number;
  readonly workers?: number;
}

/** A corpus of usual size, read at its last block. */
const TEXT = { batchTokens: 2048, length: 128, totalTokens: 32_768 };
/** Longest text of a scan. */
const POSITIONS = 160;

export function modelNeeds(folder: string, options: NeedOptions): Check[] {
  const item = (name: string, run: () => string): Check => {
    try {
      return { name, ok: true, needed: false, detail: run() };
    } catch (thrown) {
      return { name, ok: false, needed: false, detail: formatError(toScanError(thrown)) };
    }
  };
  let spec: ModelSpec | undefined;
  const model = item('model', () => {
    spec = openModel(folder).spec;
    const weights = megabytes(tensorBytes(spec));
    return `${spec.family}, ${spec.blocks.length} layers, ${weights} of float32 weights`;
  });
  if (spec === undefined) return [model];
  const known = spec;
  const bound = options.memory === undefined ? {} : { memoryBytes: options.memory };
  const workers = options.workers ?? availableParallelism();
  const checks = [model];
  if (known.head !== undefined && known.causal) {
    checks.push(
      item('generate', () => {
        const positions = Math.min(POSITIONS, known.maxPositions);
        const plan = planGeneration(known, { positions, workers, ...bound });
        return `memory: at most ${megabytes(plan.peakBytes)}, workers: ${plan.workers}, ${plan.rows} texts at a time`;
      }),
    );
  }
  checks.push(
    item('read', () => {
      const lanes = workersWithin(known, workers, options.memory);
      return `${planText(textPlan(known, lanes, bound))}, workers: ${lanes}, ${TEXT.totalTokens} tokens of text`;
    }),
    item(
      'least',
      () =>
        `memory: ${megabytes(leastBytes(known))} to read text at all, block by block with one worker`,
    ),
  );
  return checks;
}

function sizeOf(spec: ModelSpec): PassSize {
  const length = Math.min(TEXT.length, spec.maxPositions);
  return { ...TEXT, length, blocks: spec.blocks.length, head: spec.head !== undefined };
}

function textPlan(spec: ModelSpec, lanes: number, bound: { memoryBytes?: number }): LayerPlan {
  return planLayers(spec, sizeOf(spec), { lanes, inFlight: lanes + 2, ...bound });
}

/** By halving between nothing and all. */
function leastBytes(spec: ModelSpec): number {
  let fits = textPlan(spec, 1, {}).peakBytes;
  let fails = 0;
  while (fits - fails > 1e6) {
    const memoryBytes = (fits + fails) / 2;
    try {
      textPlan(spec, 1, { memoryBytes });
      fits = memoryBytes;
    } catch {
      fails = memoryBytes;
    }
  }
  return fits;
}
