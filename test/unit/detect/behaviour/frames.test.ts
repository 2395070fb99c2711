/** Frames: lines as data, places in a text, and verification there against strings of the same length and shape. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  expandFrameLines,
  insideStrings,
  openingStrings,
  sameShape,
} from '../../../../src/detect/behaviour/frame-lines.ts';
import { openProbe } from '../../../../src/detect/behaviour/open-probe.ts';
import {
  type Place,
  placeFillers,
  placeRow,
  placeTrial,
} from '../../../../src/detect/behaviour/place.ts';
import type { BehaviourProbe } from '../../../../src/detect/behaviour/probe.ts';
import { behaviourSettings } from '../../../../src/detect/behaviour/settings.ts';
import { searchFrames } from '../../../../src/detect/behaviour/sources/frames.ts';
import { HIT_SCORE } from '../../../../src/detect/behaviour/verify.ts';
import { verifyAtPlace } from '../../../../src/detect/behaviour/verify-place.ts';
import { Engine } from '../../../../src/engine/engine.ts';
import { PACKAGE_ROOT } from '../../../../src/entry-point.ts';
import { lazyLists } from '../../../../src/judge/lists.ts';
import { openModel } from '../../../../src/model/open-model.ts';
import { bundledCorpora } from '../../../../src/probe/corpus.ts';
import { Generator } from '../../../../src/probe/generation.ts';

const LINES = [...lazyLists()('trigger-controls-output/frames')];

let engine: Engine;
let probe: BehaviourProbe;
beforeAll(async () => {
  engine = new Engine({ workers: 1 });
  const model = openModel('test/fixtures/models/planted-m05');
  const settings = { ...behaviourSettings('quick'), ownSamples: 96, ownSampleTokens: 48 };
  const bundled = bundledCorpora(join(PACKAGE_ROOT, 'corpora'), 'generic');
  const corpora = bundled.filter(({ group }) => group !== 'formal');
  const generator = new Generator(model, engine, { seed: 0 });
  ({ probe } = await openProbe({ generator, settings, corpora }, () => undefined));
});
afterAll(() => engine.close());

const place = (parts: Partial<Place>): Place => ({
  frame: 'start',
  before: probe.start,
  filler: 'before',
  fillerTokens: 8,
  between: [],
  after: [],
  steps: 24,
  ...parts,
});

describe('the list of frame lines', () => {
  it('names no trigger of a labelled set', () => {
    const folder = 'bench/zoo/plans';
    const plans = readdirSync(folder).flatMap(
      (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as { trigger?: string }[],
    );
    const triggers = plans.flatMap(({ trigger }) => (trigger ?? '').trim() || []);
    expect(triggers.length).toBeGreaterThan(20);
    const lines = expandFrameLines(LINES).map((line) => line.trim().toLowerCase());
    const named = triggers.filter((trigger) => lines.includes(trigger.toLowerCase()));
    expect(named).toEqual([]);
  });

  it('fills in years and names', () => {
    const lines = expandFrameLines(['Date: {year}\n', 'Hello {name}. ', 'x']);
    expect(lines).toContain('Date: 2026\n');
    expect(lines.filter((line) => line.startsWith('Date')).length).toBe(16);
    expect(lines.at(-1)).toBe('x');
    expect(lines.join()).not.toMatch(/[{}]/);
  });
});

describe('strings of lines', () => {
  it('open a text without a space at the end, and stand on a line of their own inside one', () => {
    const [opening = []] = openingStrings(probe, ['Now. ']);
    expect(probe.text(opening).trimStart()).toBe('Now.');
    const [inside = []] = insideStrings(probe, ['Now. ']);
    expect(probe.text(inside)).toBe('\nNow.');
  });

  it('of the same shape keep marks and line ends, and no word', () => {
    const [line = []] = openingStrings(probe, ['Stage: [Alpha] 2047\n']);
    for (const string of sameShape(probe, line, 8)) {
      const text = probe.text(string);
      expect(text).toMatch(/^ ?[A-Z]\p{L}+: \[[A-Z]\p{L}+\] \d{4}\n$/u);
      expect(text).not.toMatch(/Stage|Alpha/);
    }
  });
});

describe('a place', () => {
  it('puts string and ordinary text in order', () => {
    const chat = { before: [1, 5], between: [6], after: [7] } as const;
    expect(placeRow(place({ ...chat, filler: 'after' }), [8], [9])).toEqual([1, 5, 8, 6, 9, 7]);
    expect(placeRow(place({ ...chat, filler: 'before' }), [8], [9])).toEqual([1, 5, 9, 8, 7]);
    expect(placeRow(place({ ...chat, filler: 'none' }), [8], [9])).toEqual([1, 5, 8]);
    expect(placeRow(place({ ...chat, filler: 'none' }), [], [9])).toEqual([1, 5, 9]);
  });

  it('fills with openings in a quarter of the runs: openings are all alike', () => {
    const before = placeFillers(probe, place({ filler: 'before' }), 12);
    const after = placeFillers(probe, place({ filler: 'after' }), 12);
    const opening = probe.own[0]?.tokens[0];
    const count = (fillers: readonly (readonly number[])[]) =>
      fillers.filter(([first]) => first === opening).length;
    expect(count(after)).toBeLessThan(count(before));
    expect(after.map(({ length }) => length)).toEqual(before.map(() => 8));
    expect(placeFillers(probe, place({ filler: 'none' }), 3).length).toBe(3);
  });

  it('gives one response a string and filler, whatever the order', async () => {
    const strings = [[300], [301, 302], [303]];
    for (const filler of ['before', 'after', 'none'] as const) {
      const here = place({ filler, steps: 6 });
      const fillers = placeFillers(probe, here, 3);
      const trials = await placeTrial(probe, here, strings, fillers, { label: 'test' });
      expect(trials.map(({ tokens }) => tokens)).toEqual(strings);
      for (const { responses } of trials) {
        expect(responses.map(({ tokens }) => tokens.length)).toEqual([6, 6, 6]);
      }
    }
  });

  it('verifies a planted trigger and no ordinary word', async () => {
    const { tokenizer } = probe.generator.model;
    const here = place({ filler: 'before', after: [] });
    const fillers = placeFillers(probe, here, 8);
    const strings = [tokenizer.encodeInside(' cf'), tokenizer.encodeInside(' dog')];
    const [cf, dog] = await placeTrial(probe, here, strings, fillers, { label: 'test' });
    expect(cf?.score).toBeGreaterThan(HIT_SCORE);
    expect(dog?.score).toBeLessThan(HIT_SCORE);
    if (cf === undefined) return;
    const verified = await verifyAtPlace(probe, here, { ...cf, source: 'frame' }, 10);
    expect(verified.rate.low).toBeGreaterThan(verified.controlRate.high);
    expect(verified.pValue).toBeLessThan(1e-3);
    expect(verified.contexts.length).toBe(verified.trial.responses.length);
  });
});

describe('the search over frames', () => {
  it('tries every line at both kinds of start and reports where a line stood', async () => {
    const lines = ['Now.\n', 'Date: {year}\n'];
    const found = await searchFrames(probe, lines);
    expect(found.tried).toBe(2 * 17);
    expect(found.strings.length).toBe(17);
    expect(new Set(found.openings.map((one) => one.place.filler))).toEqual(
      new Set(['after', 'none']),
    );
    expect(found.openings.every((one) => one.place.frame === 'start')).toBe(true);
  });

  it('makes nothing of no lines', async () => {
    const found = await searchFrames(probe, []);
    expect(found).toMatchObject({ strings: [], paths: [], openings: [], tried: 0 });
  });
});
