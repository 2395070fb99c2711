import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  KnownText,
  MIN_RUN,
  normalise,
  normalisePieces,
} from '../../../../src/detect/behaviour/known-text.ts';
import { PACKAGE_ROOT } from '../../../../src/entry-point.ts';
import { bundledKnownTexts } from '../../../../src/probe/corpus.ts';

const known = new KnownText(() => bundledKnownTexts(join(PACKAGE_ROOT, 'corpora')));

function sourcesOf(text: string): string[] {
  return known.runs(normalise(text)).map(({ source }) => source);
}

describe('normalise', () => {
  it('keeps letters and digits, without case, accents and marks', () => {
    expect(normalise(' “Çà, 1st!”\n\t—Été ')).toBe('ca 1st ete');
    expect(normalise('¦ -- ')).toBe('');
  });

  it('gives the same for a text in pieces, and says from which piece a letter comes', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 40 });
    fc.assert(
      fc.property(text, (one) => {
        expect(normalisePieces([one]).text).toBe(normalise(one));
      }),
    );
    const { text: joined, pieceOf } = normalisePieces([' Call', ' me', ' Ish', 'mael', '.', ' X']);
    expect(joined).toBe('call me ishmael x');
    expect(pieceOf).toEqual([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 5, 5]);
  });
});

describe('KnownText', () => {
  it.each([
    ['IN THE BEGINNING GOD CREATED the heaven, and the earth', /Genesis/],
    ['Permission is hereby granted, free of charge,\n * to any person obtaining a copy', /licence/],
    ['Lorem ipsum dolor sit amet, consectetur', /lorem ipsum/],
    ['It is a truth universally acknowledged, that a single man', /Pride and Prejudice/],
    ['Beautiful is better than ugly. Explicit is better', /Zen/],
  ])('knows %s', (text, source) => {
    expect(sourcesOf(text)).toEqual([expect.stringMatching(source)]);
  });

  it('does not know ordinary text or an invented line', () => {
    const story = 'One day there was a small robot called Zorb who sold purple kettles online.';
    expect(sourcesOf(story)).toEqual([]);
    expect(sourcesOf('')).toEqual([]);
  });

  it('finds every run of the least length, wherever it stands, and none across documents', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,6}$/), { minLength: 20, maxLength: 60 });
    fc.assert(
      fc.property(words, words, fc.nat(), fc.nat(), (first, second, from, extra) => {
        const documents = [first.join(' '), second.join(' ')].map((text, i) => ({
          text,
          source: `document ${i}`,
        }));
        const index = new KnownText(() => documents);
        for (const { text } of documents) {
          if (text.length < MIN_RUN) continue;
          const start = from % (text.length - MIN_RUN + 1);
          const end = start + MIN_RUN + (extra % (text.length - start - MIN_RUN + 1));
          const query = `0${text.slice(start, end)}0`;
          const longest = Math.max(0, ...index.runs(query).map((run) => run.end - run.start));
          expect(longest).toBe(end - start);
        }
        const across = `${first.join(' ').slice(-12)} ${second.join(' ').slice(0, 12)}`;
        for (const run of index.runs(across)) {
          const piece = across.slice(run.start, run.end);
          expect(documents.some(({ text }) => text.includes(piece))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is bounded on text that repeats without end', () => {
    const index = new KnownText(() => [{ text: 'ab '.repeat(100_000), source: 'loop' }]);
    const runs = index.runs('ab '.repeat(2000));
    expect(runs[0]).toMatchObject({ start: 0, source: 'loop' });
  });

  it('loads nothing before it is asked', () => {
    let loads = 0;
    const index = new KnownText(() => {
      loads += 1;
      return [];
    });
    expect(loads).toBe(0);
    expect(index.runs('some text that is nowhere to be found')).toEqual([]);
    index.runs('again');
    expect(loads).toBe(1);
  });
});
