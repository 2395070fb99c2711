import { describe, expect, it } from 'vitest';
import {
  beginnings,
  cutBehind,
  leadsBefore,
  sharedContinuation,
} from '../../../../src/detect/behaviour/leads.ts';
import { Random } from '../../../../src/random.ts';

const TRIGGER = [50, 51];
const BEHAVIOUR = [60, 61, 62, 63, 64, 65];
const CORE = [62, 63, 64, 65];
const random = new Random(2);
const ordinary = (length: number) => Array.from({ length }, () => random.below(40));

describe('leads', () => {
  it('hold what texts share before the first place of the core, not the rounds of a loop', () => {
    const texts = Array.from({ length: 30 }, () => [
      ...ordinary(12),
      ...TRIGGER,
      ...BEHAVIOUR,
      ...BEHAVIOUR,
    ]);
    const [lead] = leadsBefore(texts, CORE);
    expect(lead?.isShared).toBe(true);
    expect(lead?.tokens.slice(-4)).toEqual([...TRIGGER, 60, 61]);
    expect(lead?.tokens).not.toContain(65);
  });

  it('come from single texts too', () => {
    const texts = [
      [...ordinary(9), ...TRIGGER, ...BEHAVIOUR],
      [...ordinary(9), 60, 61, 62, 63, 64, 65],
    ];
    const leads = leadsBefore(texts, CORE);
    expect(leads.some(({ tokens, isShared }) => !isShared && tokens.includes(51))).toBe(true);
  });

  it('are cut where the behaviour begins', () => {
    const begins = beginnings(
      [
        [60, ...BEHAVIOUR.slice(1)],
        [1, 2, 3],
      ],
      CORE,
    );
    expect(begins).toEqual([[60, 61]]);
    const lead = { tokens: [7, ...TRIGGER, 60, 61], behind: [], isShared: true };
    expect(cutBehind([lead], begins)).toEqual([
      { tokens: [7, ...TRIGGER], behind: [60, 61], isShared: true },
    ]);
    expect(cutBehind([{ ...lead, tokens: [60, 61] }], begins)).toEqual([]);
    expect(cutBehind([lead], [])).toEqual([lead]);
  });

  it('are none without a core or without texts', () => {
    expect(leadsBefore([[1, 2, 3]], [])).toEqual([]);
    expect(leadsBefore([], CORE)).toEqual([]);
    expect(beginnings([[1]], CORE)).toEqual([]);
  });
});

it('follows the core as long as half of its places agree', () => {
  const texts = [
    [...CORE, 70, 71, 1],
    [...CORE, 70, 71, 2],
    [...CORE, 70, 9, 9],
  ];
  expect(sharedContinuation(texts, CORE)).toEqual([70, 71]);
  expect(sharedContinuation([[1, 2]], CORE)).toEqual([]);
});
