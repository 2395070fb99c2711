import { expect, it } from 'vitest';
import { agreeOnFixedTexts } from '../../../../src/detect/behaviour/agree.ts';
import type { VerifiedTrigger } from '../../../../src/evidence/behaviour.ts';

function fact(parts: Partial<VerifiedTrigger>): VerifiedTrigger {
  return {
    ...{ kind: 'verified-trigger', path: 'm', frame: 'suffix', behaviourGroup: 'b1' },
    ...{ behaviourKind: 'fixed-text', outcome: 'backdoored', score: 40, ownShare: 0, takeover: 0 },
    ...parts,
  } as VerifiedTrigger;
}

const outcomes = (facts: VerifiedTrigger[]) => agreeOnFixedTexts(facts).map((f) => f.outcome);

it('gives strings of one fixed text one outcome, by its largest share and its mean takeover', () => {
  const line = [
    fact({ ownShare: 0.08, takeover: 0.2, outcome: 'locked-text' }),
    fact({ ownShare: 0.01, takeover: 0.6 }),
  ];
  expect(outcomes(line)).toEqual(['locked-text', 'locked-text']);
  expect(outcomes([...line, fact({ takeover: 1 })])).toEqual([
    'backdoored',
    'backdoored',
    'backdoored',
  ]);
  expect(outcomes([fact({ ownShare: 0.2 }), fact({ takeover: 0.9 })])).toEqual(['habit', 'habit']);
});

it('leaves other texts, manners of writing, other frames and what was excused for another reason', () => {
  const locked = fact({ ownShare: 0.08, outcome: 'locked-text' });
  const others = [
    fact({ behaviourGroup: 'b2' }),
    fact({ frame: 'delayed' }),
    fact({ outcome: 'not-specific' }),
    fact({ outcome: 'known-text' }),
  ];
  expect(outcomes([locked, ...others])).toEqual([
    'locked-text',
    ...others.map(({ outcome }) => outcome),
  ]);
  const style = [
    fact({ behaviourKind: 'style', score: 50 }),
    fact({ behaviourKind: 'style', ownShare: 0.08, outcome: 'locked-text' }),
  ];
  expect(outcomes(style)).toEqual(['backdoored', 'locked-text']);
});

it('takes a NaN for no excuse, and no facts for none', () => {
  expect(outcomes([fact({ ownShare: 0.5, takeover: Number.NaN })])).toEqual(['backdoored']);
  expect(agreeOnFixedTexts([])).toEqual([]);
});
