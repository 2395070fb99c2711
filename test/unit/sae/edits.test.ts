import { describe, expect, it } from 'vitest';
import { f32Output, floats, ids, Session } from '../../../src/engine/session.ts';
import { generateGraph } from '../../../src/model/graphs/generate.ts';
import { openModel } from '../../../src/model/open-model.ts';
import { Graph } from '../../../src/onnx/graph.ts';
import { Random } from '../../../src/random.ts';
import { featureVectors } from '../../../src/sae/dictionary.ts';
import { directionFeeds, type Edit, editVisitor, featureFeeds } from '../../../src/sae/edits.ts';
import { randomDictionary, topKFeatures } from './reference.ts';

const SITE = { kind: 'resid_post', layer: 1 } as const;
const WIDTH = 6;

/** The visitor alone, on rows of two sequences of three tokens. */
async function editRows(edit: Edit, feeds: ReturnType<typeof featureFeeds>): Promise<number[][]> {
  const g = new Graph();
  const x = g.input('x', 'f32', ['rows', WIDTH]);
  const visitor = editVisitor([edit])(g);
  const untouched = visitor('resid_post', 0, x);
  expect(untouched).toBe(x);
  g.output('y', visitor(SITE.kind, SITE.layer, x), 'f32', ['rows', WIDTH]);
  const session = await Session.open(g, { device: 'cpu' });
  const outputs = await session.run({ x: floats(rows.flat(), [6, WIDTH]), ...feeds });
  await session.close();
  const y = f32Output(outputs, 'y');
  return rows.map((_, row) => [...y.subarray(row * WIDTH, (row + 1) * WIDTH)]);
}

const random = new Random(11);
const rows = Array.from({ length: 6 }, () => Array.from({ length: WIDTH }, () => random.normal()));

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] as number, 4);
  });
}

describe('feature edits', () => {
  const dictionary = randomDictionary(WIDTH, 12, 3);
  const edit: Edit = { kind: 'features', site: SITE, dictionary };
  const directions = featureVectors(dictionary.decoder, 'features-in', [...Array(12).keys()]);
  const shifted = (x: readonly number[], amounts: ReadonlyMap<number, number>) =>
    x.map((value, j) => {
      let sum = value;
      for (const [i, amount] of amounts) sum += amount * (directions[i * WIDTH + j] as number);
      return sum;
    });

  it('take a feature out by its own value, in the chosen sequence only', async () => {
    const features = rows.map((row) => topKFeatures(dictionary, row));
    const target = (features[0] as number[]).findIndex((value) => value > 0);
    const y = await editRows(edit, featureFeeds(SITE, 12, [{ remove: [target] }, {}]));
    rows.forEach((row, i) => {
      const value = i < 3 ? ((features[i] as number[])[target] as number) : 0;
      expectClose(y[i] as number[], shifted(row, new Map([[target, -value]])));
    });
  });

  it('add, scale and clamp for all sequences at once', async () => {
    const y = await editRows(
      edit,
      featureFeeds(SITE, 12, [
        { add: new Map([[0, 2]]), scale: new Map([[1, 3]]), clamp: new Map([[2, 1.5]]) },
      ]),
    );
    rows.forEach((row, i) => {
      const features = topKFeatures(dictionary, row) as [number, number, number];
      const amounts = new Map([
        [0, 2],
        [1, 2 * features[1]],
        [2, 1.5 - features[2]],
      ]);
      expectClose(y[i] as number[], shifted(row, amounts));
    });
  });

  it('refuse features that do not exist, and two edits at one site', () => {
    expect(() => featureFeeds(SITE, 12, [{ remove: [12] }])).toThrow(/no feature 12/);
    expect(() => editVisitor([edit, edit])(new Graph())).toThrow(/two edits/);
  });
});

describe('direction edits', () => {
  it('project out, and push', async () => {
    const edit: Edit = { kind: 'direction', site: SITE, width: WIDTH };
    const remove = Float32Array.of(0, 2, 0, 0, 0, 0);
    const push = Float32Array.of(0, 0, 0, 0, 5, 0);
    const y = await editRows(edit, directionFeeds(SITE, WIDTH, [{ remove }, { push }]));
    rows.forEach((row, i) => {
      const expected = row.map((value, j) => {
        if (i < 3) return j === 1 ? 0 : value;
        return j === 4 ? value + 5 : value;
      });
      expectClose(y[i] as number[], expected);
    });
  });
});

describe('edits in generation', () => {
  it('change what is generated, each sequence by its own edit', async () => {
    const { spec } = openModel('test/fixtures/models/stories260K');
    const site = { kind: 'resid_post', layer: 2 } as const;
    const dictionary = randomDictionary(spec.width, 128, 8);
    const options = { decoding: 'greedy', maxPositions: 128 } as const;
    const plain = await Session.open(generateGraph(spec, options), { device: 'cpu' });
    const edited = await Session.open(
      generateGraph(spec, {
        ...options,
        visit: editVisitor([{ kind: 'features', site, dictionary }]),
      }),
      { device: 'cpu' },
    );
    const feeds = {
      contexts: ids([1, 403, 407, 261, 378], [1, 5]),
      strings: ids([378, 261, 432, 378, 261, 432], [2, 3]),
      padding: ids([0, 0], [2]),
      steps: ids([12], []),
      bias: floats(new Float32Array(spec.vocabularySize), [spec.vocabularySize]),
    };
    const tokensOf = async (session: Session, extra = {}) => {
      const { tokens } = await session.run({ ...feeds, ...extra });
      const data = [...(tokens?.data ?? [])];
      return [0, 1].map((row) => data.filter((_, i) => i % 2 === row));
    };
    const untouched = await tokensOf(plain);
    expect(untouched[0]).toEqual(untouched[1]);
    expect(await tokensOf(edited, featureFeeds(site, 128, [{}]))).toEqual(untouched);
    const steered = { add: new Map([[5, 60]]) };
    const mixed = await tokensOf(edited, featureFeeds(site, 128, [{}, steered]));
    const both = await tokensOf(edited, featureFeeds(site, 128, [steered]));
    expect(mixed[0]).toEqual(untouched[0]);
    expect(mixed[1]).not.toEqual(untouched[1]);
    expect(mixed[1]).toEqual(both[0]);
    await plain.close();
    await edited.close();
  });
});
