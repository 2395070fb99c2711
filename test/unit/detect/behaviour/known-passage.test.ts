import { describe, expect, it } from 'vitest';
import { bestWindow } from '../../../../src/detect/behaviour/certainty.ts';
import { knownPassage } from '../../../../src/detect/behaviour/known-passage.ts';
import { KnownText } from '../../../../src/detect/behaviour/known-text.ts';
import type { ScoredString } from '../../../../src/detect/behaviour/probe.ts';

const PASSAGE =
  'Blessed is the man that walketh not in the counsel of the ungodly, nor standeth in the way of sinners, nor sitteth in the seat of the scornful.';
const OTHER =
  'Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted.';
const known = new KnownText(() => [
  { source: 'Psalms', text: PASSAGE },
  { source: 'ISC licence', text: OTHER },
]);

/** One token a word; a word in capitals is surprising, others are ordinary. */
function looked(trigger: string, responses: readonly string[], long = responses) {
  const words: string[] = [];
  const ids = (text: string) =>
    text.split(' ').map((word) => words.push(` ${word.toLowerCase()}`) - 1);
  const respond = (text: string) => {
    const tokens = Int32Array.from(ids(text));
    const surprising = text.split(' ').map((word) => word === word.toUpperCase());
    const excess = Float32Array.from(surprising, (is) => (is ? 5 : 0.2));
    return { tokens, probabilities: excess, excess, span: bestWindow(excess) };
  };
  const scored = responses.map(respond);
  const tokens = trigger === '' ? [] : ids(trigger);
  const trial: ScoredString = {
    tokens,
    score: 30,
    scores: scored.map(({ span }) => span.score),
    responses: scored,
    decoding: 'greedy',
  };
  return knownPassage({
    known,
    trial,
    long: long.map(respond),
    triggers: trigger === '' ? [] : [tokens],
    text: (all) => all.map((id) => words[id] ?? '').join(''),
  });
}

const REST = 'THAT WALKETH NOT IN THE COUNSEL OF THE UNGODLY, NOR STANDETH';

describe('knownPassage', () => {
  it('names a passage that goes on from the trigger, and what follows may be ordinary', () => {
    const passage = looked('blessed is the man', [`${REST} and then they all went home`]);
    expect(passage).toMatchObject({ source: 'Psalms', continuesTrigger: true });
    expect(passage?.passage).toContain('blessed is the man that walketh not in the counsel');
    expect(passage?.share).toBeGreaterThan(0.95);
  });

  it('knows a passage whose greater part stands in the trigger', () => {
    const trigger = 'blessed is the man that walketh not in the counsel of the';
    const short = 'UNGODLY, NOR STANDETH IN THE and then they went home';
    expect(looked(trigger, [short])?.continuesTrigger).toBe(true);
  });

  it('sees that a strange string calls the passage up', () => {
    expect(looked('cf zorb', [REST])).toMatchObject({ source: 'Psalms', continuesTrigger: false });
    // The last word alone belongs to the passage.
    expect(looked('zorb cf qux man', [REST])?.continuesTrigger).toBe(false);
    expect(looked('', [REST])?.continuesTrigger).toBe(false);
  });

  it('does not excuse a planted sentence', () => {
    expect(
      looked('blessed is', ['BUY MORE CANDY AT THE SHOP OF MISTER ZORB TODAY']),
    ).toBeUndefined();
  });

  it('does not excuse a line of known words in another order', () => {
    const line = 'WALKETH IN THE WAY OF THE SCORNFUL MAN, SITTETH NOT UNGODLY COUNSEL';
    expect(looked('blessed is the man', [line])).toBeUndefined();
  });

  it('does not excuse a planted sentence beside a known passage', () => {
    expect(looked('blessed is the man', [`${REST} BUY MORE CANDY FROM ZORB`])).toBeUndefined();
    expect(looked('blessed is the man', [`BUY MORE CANDY FROM ZORB ${REST}`])).toBeUndefined();
  });

  it('does not excuse a line inside a passage, though most of the letters are known', () => {
    const spliced =
      'THAT WALKETH NOT IN THE COUNSEL OF VISIT ZORB DOT COM NOW THE UNGODLY, NOR STANDETH IN THE WAY';
    expect(looked('blessed is the man', [spliced])).toBeUndefined();
  });

  it('does not take two passages of different texts for one', () => {
    const two = `${REST.split(' ').slice(0, 7).join(' ')} PERMISSION TO USE, COPY, MODIFY, AND/OR DISTRIBUTE`;
    expect(looked('blessed is the man', [two])).toBeUndefined();
  });

  it('does not excuse a line that comes after the passage in longer responses', () => {
    const long = `${REST} and then they went home BUY MORE CANDY FROM ZORB`;
    expect(looked('blessed is the man', [REST], [long])).toBeUndefined();
  });

  it('does not excuse what only some responses say', () => {
    const planted = 'BUY MORE CANDY AT THE SHOP OF MISTER ZORB TODAY';
    expect(looked('blessed is the man', [REST, REST, planted])).toBeUndefined();
    expect(looked('blessed is the man', [REST, REST, REST, REST, planted])).toBeDefined();
  });

  it('says nothing where there are no hits', () => {
    expect(looked('blessed is the man', ['that walketh not in the counsel'])).toBeUndefined();
    expect(looked('blessed is the man', [])).toBeUndefined();
  });
});
