import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { f32Output, floats, Session } from '../../../src/engine/session.ts';
import { ScanError } from '../../../src/errors.ts';
import { Graph } from '../../../src/onnx/graph.ts';
import { type Dictionary, matrixValues } from '../../../src/sae/dictionary.ts';
import { declareDictionary, emitDecode, emitEncode } from '../../../src/sae/emit.ts';
import { findDictionaries, loadFound, loadSae } from '../../../src/sae/formats/registry.ts';
import { saveSaeLens } from '../../../src/sae/formats/write-saelens.ts';
import { bf16, writeSafetensors } from '../../cases/safetensors-writer.ts';
import { randomDictionary } from './reference.ts';

const ROOT = 'test/fixtures/sae';
const scratch = mkdtempSync(join(tmpdir(), 'narrowfire-sae-'));
afterAll(() => rmSync(scratch, { recursive: true }));

interface Golden {
  readonly x: readonly number[][];
  readonly features: readonly number[][];
  readonly output: readonly number[][];
}

async function forward(
  dictionary: Dictionary,
  x: readonly number[][],
): Promise<{ features: Float32Array; output: Float32Array }> {
  const g = new Graph();
  const input = g.input('x', 'f32', ['rows', dictionary.inputWidth]);
  const values = declareDictionary(g, dictionary);
  const encoded = emitEncode(g, values, input);
  g.output('features', encoded.features, 'f32', ['rows', 'features']);
  g.output('output', emitDecode(g, values, encoded, input), 'f32', ['rows', 'width']);
  const session = await Session.open(g, { device: 'cpu' });
  const outputs = await session.run({ x: floats(x.flat(), [x.length, dictionary.inputWidth]) });
  await session.close();
  return { features: f32Output(outputs, 'features'), output: f32Output(outputs, 'output') };
}

function expectClose(actual: Float32Array, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs((actual[i] as number) - value)).toBeLessThan(2e-5 * (1 + Math.abs(value)));
  }
}

const found = findDictionaries(ROOT);

describe('published layouts', () => {
  it('are all recognised', () => {
    expect(found.map(({ label, format }) => `${format.name} ${dirname(label)}`)).toMatchSnapshot();
  });

  it.each(found.map((entry) => [entry.label, entry] as const))(
    '%s gives what its producer computes',
    async (_, entry) => {
      const folder = dirname(entry.file).replace(/[\\/](checkpoints|autoencoders)$/, '');
      const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Golden;
      const result = await forward(loadFound(entry), golden.x);
      expectClose(result.features, golden.features.flat());
      expectClose(result.output, golden.output.flat());
    },
  );

  it('name their sites in our words where we have them', () => {
    const sites = found.map((entry) => {
      const { site, outputSite } = loadFound(entry);
      return [dirname(entry.label), site ?? null, outputSite ?? null];
    });
    expect(sites).toMatchSnapshot();
  });
});

describe('where dictionaries lie', () => {
  const source = join(ROOT, 'saelens-standard');
  const names = ['cfg.json', 'sae_weights.safetensors'];

  it('may be the Hugging Face cache, whose files are links into its blobs', () => {
    const repository = join(scratch, 'models--x--y');
    const snapshot = join(repository, 'snapshots', 'abc', 'layer_2');
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(repository, 'blobs'));
    names.forEach((name, i) => {
      cpSync(join(source, name), join(repository, 'blobs', `hash${i}`));
      symlinkSync(`../../../blobs/hash${i}`, join(snapshot, name));
    });
    const folder = join(repository, 'snapshots', 'abc');
    expect(loadSae(folder).site).toEqual({ kind: 'resid_pre', layer: 2 });
    expect(loadSae(join(snapshot, 'sae_weights.safetensors')).featureCount).toBe(10);
  });

  it('is not followed through links that leave the folder', () => {
    const folder = join(scratch, 'leaves');
    mkdirSync(folder);
    for (const name of names) symlinkSync(join(process.cwd(), source, name), join(folder, name));
    expect(findDictionaries(folder)).toEqual([]);
  });
});

describe('half precision', () => {
  it('is mapped from the file and gives nearly the same', async () => {
    const base = randomDictionary(5, 8, 2);
    const folder = join(scratch, 'half');
    saveSaeLens(base, folder, { modelName: 'tiny', prependBos: true, contextSize: 8 });
    const loaded = loadSae(folder);
    writeSafetensors(join(folder, 'sae_weights.safetensors'), {
      W_enc: bf16([5, 8], matrixValues(loaded.encoder)),
      W_dec: bf16([8, 5], matrixValues(loaded.decoder)),
      b_enc: bf16([8], loaded.encoderBias),
      b_dec: bf16([5], loaded.decoderBias),
    });
    const half = loadSae(folder);
    expect(half.encoder).toMatchObject({ kind: 'file', tensor: { dtype: 'bf16' } });
    const x = [[1, -2, 0.5, 3, 0]];
    const before = await forward(base, x);
    const after = await forward(half, x);
    after.output.forEach((value, i) => {
      expect(Math.abs(value - (before.output[i] as number))).toBeLessThan(0.1);
    });
    expect([...after.output]).not.toEqual([...before.output]);
  });
});

describe('saveSaeLens', () => {
  const metadata = { modelName: 'tiny', prependBos: true, contextSize: 128 };

  it('keeps every gate through a round trip', async () => {
    const base = randomDictionary(5, 8, 2);
    const filled = (value: number) => new Float32Array(8).fill(value);
    const gates: Dictionary['gate'][] = [
      { kind: 'relu' },
      { kind: 'topk', k: 2 },
      { kind: 'abs-topk', k: 3 },
      { kind: 'jumprelu', threshold: filled(0.2) },
      {
        kind: 'gated',
        gateBias: filled(0.1),
        magnitudeScale: filled(1.5),
        magnitudeBias: filled(-0.1),
      },
    ];
    const x = [
      [1, -2, 0.5, 3, 0],
      [-1, 0.25, 2, 1, -3],
    ];
    for (const gate of gates) {
      const dictionary: Dictionary = { ...base, gate, site: { kind: 'attn_z', layer: 3 } };
      const folder = join(scratch, gate.kind);
      saveSaeLens(dictionary, folder, metadata);
      const loaded = loadSae(folder);
      expect(loaded.site).toEqual({ kind: 'attn_z', layer: 3 });
      const before = await forward(dictionary, x);
      const after = await forward(loaded, x);
      expectClose(after.features, [...before.features]);
      expectClose(after.output, [...before.output]);
    }
  });

  it('refuses what the layout cannot hold', () => {
    const dictionary = randomDictionary(5, 8, 2);
    const scaled: Dictionary = {
      ...dictionary,
      inputNorm: { kind: 'scale', factor: 2, outputFactor: 2 },
    };
    expect(() => saveSaeLens(scaled, join(scratch, 'no'), metadata)).toThrow(ScanError);
    const grouped: Dictionary = { ...dictionary, gate: { kind: 'groupmax', k: 2 } };
    expect(() => saveSaeLens(grouped, join(scratch, 'no'), metadata)).toThrow(ScanError);
  });
});

describe('hostile dictionaries', () => {
  const copy = (name: string): string => {
    const folder = join(scratch, `hostile-${Math.random().toString(36).slice(2)}`);
    cpSync(join(ROOT, name), folder, { recursive: true });
    return folder;
  };
  const editConfig = (folder: string, change: Record<string, unknown>): void => {
    const path = join(folder, 'cfg.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...config, ...change }));
  };

  it.each([
    ['a feature count that the tensors do not have', { d_sae: 11 }],
    ['an absurd width', { d_in: 1e15 }],
    ['a k above the feature count', { architecture: 'topk', k: 11 }],
    ['no k', { architecture: 'topk' }],
    ['an architecture that is not token by token', { architecture: 'temporal' }],
    ['an unknown normalisation', { normalize_activations: 'other' }],
    ['a missing tensor', { architecture: 'jumprelu' }],
  ])('%s is a plain error', (_, change) => {
    const folder = copy('saelens-standard');
    editConfig(folder, change);
    expect(() => loadSae(folder)).toThrow(ScanError);
  });

  it('an empty folder and a missing path are plain errors', () => {
    expect(() => loadSae(join(scratch, 'nowhere'))).toThrow(/no such file/);
    expect(() => loadSae('src/sae')).toThrow(/no sparse autoencoder/);
    expect(() => loadSae(ROOT)).toThrow(/sparse autoencoders are here/);
  });

  it.each([
    ['saelens-gated', ['cfg.json', 'sae_weights.safetensors']],
    ['gemma-scope-2b-pt-res', ['layer_7/width_16k/average_l0_71/params.npz']],
    ['gemma-scope-2b-pt-mlp', ['layer_8/width_16k/average_l0_9/params.npz']],
    ['dictionary-learning/trainer_4', ['config.json', 'ae.pt']],
  ])('damaged bytes in %s give a dictionary or a ScanError', (name, files) => {
    const folder = copy(name);
    const paths = files.map((file) => join(folder, file));
    const originals = paths.map((path) => readFileSync(path));
    fc.assert(
      fc.property(
        fc.nat(paths.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.option(fc.nat()),
        (which, changes, cut) => {
          const bytes = Buffer.from(originals[which] as Buffer);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const kept = cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
          writeFileSync(paths[which] as string, kept);
          try {
            loadSae(folder);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(ScanError);
            expect((thrown as ScanError).code).not.toBe('E_INTERNAL');
          }
          writeFileSync(paths[which] as string, originals[which] as Buffer);
        },
      ),
      { numRuns: 150 },
    );
  });
});
