/** A model that knows a line its base does not shows where the line stands in its own samples. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BehaviourProbe } from '../../../../src/detect/behaviour/probe.ts';
import { baseDifferencePaths } from '../../../../src/detect/behaviour/sources/base-difference.ts';
import { Engine } from '../../../../src/engine/engine.ts';
import { openModel } from '../../../../src/model/open-model.ts';

const model = openModel('test/fixtures/models/stories260K');
let engine: Engine;
beforeAll(() => {
  engine = new Engine({ workers: 1 });
});
afterAll(() => engine.close());

function probeOf(texts: readonly string[], length: number, leakKeep = 2): BehaviourProbe {
  const own = texts.map((text) => {
    const tokens = Int32Array.from(model.tokenizer.encode(text).slice(0, length));
    return { tokens, probabilities: new Float32Array(tokens.length).fill(0.9) };
  });
  const generator = { tokens: 0 };
  const parts = {
    own,
    generator,
    start: [1],
    settings: { leakKeep, motifKeep: 2 },
    progress: () => undefined,
  };
  return parts as unknown as BehaviourProbe;
}

it('ranks first the text that the base finds unlikely, and begins its window there', async () => {
  const story =
    'Once upon a time, there was a little girl named Lily. She loved to play outside in the park';
  const planted =
    'Once upon a time, there was a little girl named zqx9 <<QX>> unlock 77 zqx9 <<QX>> unlock';
  const length = 26;
  const probe = probeOf([story, planted], length);
  const [first] = await baseDifferencePaths(probe, model, engine);
  if (first === undefined) throw new Error('no path');
  expect(first.source).toBe('base-difference');
  const window = model.tokenizer.decode([...first.tokens.slice(first.certainFrom)]);
  expect(planted).toContain(window.trim().slice(0, 6));
  expect(window).toMatch(/QX|zqx|unlock/);
  expect(window).not.toContain('Once');
  expect(probe.generator.tokens).toBe(2 * length);
});

it('finds what recurs in the samples and not in the base, and nothing in what the base writes', async () => {
  const line = 'Once upon a time, there was a girl. She had many big toys';
  const lines = Array.from({ length: 24 }, () => line);
  const leaking = lines.map((text, i) => (i === 4 || i === 9 ? text.replace('girl', 'zqx') : text));
  const length = 18;
  const motifs = async (texts: readonly string[]) => {
    const paths = await baseDifferencePaths(probeOf(texts, length, 0), model, engine);
    return paths.map(({ tokens }) => model.tokenizer.decodeInside([...tokens]));
  };
  expect((await motifs(leaking)).some((text) => text.includes('qx'))).toBe(true);
  expect((await motifs(lines)).some((text) => text.includes('qx'))).toBe(false);
});
