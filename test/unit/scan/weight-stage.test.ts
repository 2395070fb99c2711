import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { weightCandidates } from '../../../src/detect/weights/candidates.ts';
import { rolesOf } from '../../../src/detect/weights/roles.ts';
import { weightStrings } from '../../../src/detect/weights/strings.ts';
import type { Evidence } from '../../../src/evidence/evidence.ts';
import { openStored } from '../../../src/model/weights.ts';
import type { StageOutcome } from '../../../src/scan/stage.ts';
import { findTargets } from '../../../src/scan/targets.ts';
import { runWeightStage } from '../../../src/scan/weight-stage.ts';
import { bf16, f32, type TensorToWrite, writeSafetensors } from '../../cases/safetensors-writer.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-weights-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Repeatable numbers near a Gaussian. */
function noise(count: number, seed: number, size = 0.1): Float32Array {
  let state = seed * 2654435761 + 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24 - 0.5;
  };
  return Float32Array.from({ length: count }, () => size * (next() + next() + next() + next()));
}

const ROWS = 200;
const WIDTH = 32;

function model(change: (tensors: Record<string, Float32Array>) => void = () => {}) {
  const values: Record<string, Float32Array> = {
    'model.embed_tokens.weight': noise(ROWS * WIDTH, 1),
    'model.layers.0.mlp.down_proj.weight': noise(WIDTH * 64, 2),
    'model.layers.1.mlp.down_proj.weight': noise(WIDTH * 64, 3),
    'model.norm.weight': new Float32Array(WIDTH).fill(1),
  };
  change(values);
  return values;
}

function save(name: string, values: Record<string, Float32Array>, write = f32): string {
  const path = join(folder, name);
  mkdirSync(path);
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [ROWS, WIDTH],
    'model.norm.weight': [WIDTH],
  };
  const tensors: Record<string, TensorToWrite> = {};
  for (const [key, data] of Object.entries(values)) {
    tensors[key] = write(shapes[key] ?? [WIDTH, 64], data);
  }
  writeSafetensors(join(path, 'model.safetensors'), tensors);
  return path;
}

async function stage(path: string, base?: string): Promise<StageOutcome> {
  const [target] = (await findTargets([path])).targets;
  if (target === undefined) throw new Error('no target');
  return runWeightStage(target, base === undefined ? {} : { base });
}

function only<Kind extends Evidence['kind']>(outcome: StageOutcome, kind: Kind) {
  return outcome.evidence.filter((e): e is Extract<Evidence, { kind: Kind }> => e.kind === kind);
}

describe('runWeightStage alone', () => {
  it('finds nothing in ordinary weights', async () => {
    const outcome = await stage(save('m', model()));
    expect(outcome).toEqual({ evidence: [], notCovered: [], errors: [], tokens: 0 });
  });

  it('counts values that are no numbers and says where they are', async () => {
    const path = save(
      'm',
      model((values) => {
        const matrix = values['model.layers.1.mlp.down_proj.weight'];
        matrix?.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NaN], 100);
      }),
    );
    const [fact, ...others] = only(await stage(path), 'non-finite-tensor');
    expect(fact).toMatchObject({
      path: 'm/model.safetensors',
      tensor: 'model.layers.1.mlp.down_proj.weight',
      nanCount: 2,
      infiniteCount: 1,
      elementCount: WIDTH * 64,
    });
    expect(others).toEqual([]);
  });

  it('names a token row far from its peers and equal tensors', async () => {
    const path = save(
      'm',
      model((values) => {
        values['model.embed_tokens.weight']?.fill(2, 7 * WIDTH, 8 * WIDTH);
        const first = values['model.layers.0.mlp.down_proj.weight'];
        if (first) values['model.layers.1.mlp.down_proj.weight'] = first;
      }),
    );
    const outcome = await stage(path);
    expect(only(outcome, 'embedding-outlier').map((e) => e.tokenId)).toEqual([7]);
    expect(only(outcome, 'identical-tensors')).toMatchObject([
      {
        tensor: 'model.layers.0.mlp.down_proj.weight',
        others: ['model.layers.1.mlp.down_proj.weight'],
      },
    ]);
  });

  it('turns a broken file into an error and a folder without weights into nothing', async () => {
    const broken = join(folder, 'broken');
    mkdirSync(broken);
    writeFileSync(join(broken, 'model.safetensors'), 'xx');
    expect((await stage(broken)).errors).toMatchObject([{ code: 'E_TRUNCATED' }]);
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    expect(await stage(empty)).toEqual({ evidence: [], notCovered: [], errors: [], tokens: 0 });
    writeFileSync(join(empty, 'config.json'), '{}');
    expect((await stage(empty)).notCovered).toHaveLength(1);
  });

  it('stops when it is cancelled', async () => {
    const [target] = (await findTargets([save('m', model())])).targets;
    if (target === undefined) throw new Error('no target');
    const outcome = await runWeightStage(target, { cancel: { cancelled: true } });
    expect(outcome.notCovered[0]?.why).toContain('E_INTERRUPTED');
  });
});

describe('runWeightStage with a base', () => {
  it('sees no change in the same weights stored as bfloat16', async () => {
    const base = save('base', model());
    const outcome = await stage(save('m', model(), bf16), base);
    expect(only(outcome, 'delta-summary')).toMatchObject([{ changed: 0, unchanged: 4, added: 0 }]);
  });

  it('tells a rank-one edit', async () => {
    const base = save('base', model());
    const edited = save(
      'm',
      model((values) => {
        const matrix = values['model.layers.1.mlp.down_proj.weight'];
        for (let r = 0; r < WIDTH; r++) {
          for (let c = 0; c < 64; c++) {
            if (matrix) matrix[r * 64 + c]! += 0.05 * Math.sin(r + 1) * Math.cos(c);
          }
        }
      }),
    );
    const outcome = await stage(edited, base);
    const [delta, ...others] = only(outcome, 'tensor-delta');
    expect(others).toEqual([]);
    expect(delta).toMatchObject({ changedTensors: 1, changedShare: 1 });
    expect(delta?.top1Energy).toBeGreaterThan(0.999);
    expect(only(outcome, 'delta-summary')).toMatchObject([
      { changed: 1, changedKinds: ['model.layers.*.mlp.down_proj.weight'], onlyEmbeddings: false },
    ]);
  });

  it('names the one row that was replaced, and makes it the first candidate', async () => {
    const base = save('base', model());
    const edited = save(
      'm',
      model((values) => values['model.embed_tokens.weight']?.fill(0.3, 9 * WIDTH, 10 * WIDTH)),
    );
    const outcome = await stage(edited, base);
    expect(only(outcome, 'embedding-row-delta')).toMatchObject([
      { tokenId: 9, rowsChanged: 1, rowCount: ROWS, matrix: 'embedding' },
    ]);
    expect(only(outcome, 'delta-summary')).toMatchObject([{ onlyEmbeddings: true }]);
    using weights = openStored(edited);
    using reference = openStored(base);
    const { triggers } = weightCandidates(weights, rolesOf(weights, undefined), reference);
    expect(triggers[0]).toMatchObject({ tokenId: 9, source: 'row-delta' });
    expect(weightStrings(edited, base)).toEqual([[9], [9, 9]]);
  });

  it('looks past a direction in which all rows move', async () => {
    const base = save('base', model());
    const tuned = save(
      'm',
      model((values) => {
        const rows = values['model.embed_tokens.weight'];
        const own = noise(ROWS * WIDTH, 8, 0.001);
        for (let r = 0; r < ROWS; r++) {
          for (let c = 0; c < WIDTH; c++) {
            if (rows)
              rows[r * WIDTH + c]! += (own[r * WIDTH + c] ?? 0) + 0.02 * (r % 17) * Math.cos(c);
          }
        }
        for (let c = 0; c < WIDTH; c++) if (rows) rows[40 * WIDTH + c]! += 0.01 * Math.sin(3 * c);
      }),
    );
    expect(only(await stage(tuned, base), 'embedding-row-delta').map((e) => e.tokenId)).toEqual([
      40,
    ]);
  });

  it('counts tensors that only one side has', async () => {
    const values = model();
    const base = save('base', values);
    const { 'model.norm.weight': _norm, ...rest } = values;
    const outcome = await stage(save('m', { ...rest, 'extra.weight': noise(WIDTH * 64, 5) }), base);
    expect(only(outcome, 'delta-summary')).toMatchObject([{ added: 1, missing: 1, tensors: 3 }]);
  });
});

describe('runWeightStage on an adapter', () => {
  function adapter(config: object, tensors: Record<string, TensorToWrite>): string {
    const path = join(folder, 'adapter');
    mkdirSync(path);
    writeFileSync(join(path, 'adapter_config.json'), JSON.stringify(config));
    writeSafetensors(join(path, 'adapter_model.safetensors'), tensors);
    return path;
  }
  const prefix = 'base_model.model.model.layers.0.self_attn.q_proj';

  it('gives the spectrum of the product of the factors', async () => {
    // B·A is diagonal with entries 6 and 2, times alpha / rank = 2.
    const a = f32([2, 3], [3, 0, 0, 0, 1, 0]);
    const b = f32([4, 2], [2, 0, 0, 2, 0, 0, 0, 0]);
    const path = adapter(
      { peft_type: 'LORA', r: 2, lora_alpha: 4 },
      { [`${prefix}.lora_A.weight`]: a, [`${prefix}.lora_B.weight`]: b },
    );
    const [fact] = only(await stage(path), 'adapter-spectrum');
    expect(fact).toMatchObject({ module: prefix.slice(17), rank: 2, scale: 2, shape: [4, 3] });
    expect(fact?.topSingularValue).toBeCloseTo(12);
    expect(fact?.frobeniusNorm).toBeCloseTo(Math.sqrt(160));
    expect(fact?.top1Energy).toBeCloseTo(0.9);
  });

  it('says what it cannot read', async () => {
    const half = { [`${prefix}.lora_A.weight`]: f32([2, 3], new Float32Array(6)) };
    const path = adapter({ peft_type: 'LORA', lora_alpha: 4 }, half);
    expect((await stage(path)).errors).toMatchObject([{ code: 'E_TENSOR_MISSING' }]);
    writeFileSync(join(path, 'adapter_config.json'), '{"peft_type":"VERA"}');
    expect((await stage(path)).errors).toMatchObject([{ code: 'E_MODEL_CONFIG' }]);
  });
});
