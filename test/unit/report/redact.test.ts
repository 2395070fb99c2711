import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Evidence } from '../../../src/evidence/evidence.ts';
import type { ScanResult } from '../../../src/finding/finding.ts';
import { FORMAT_NAMES, FORMATS } from '../../../src/report/formats.ts';
import { redact } from '../../../src/report/redact.ts';
import {
  backdoored,
  context,
  feature,
  render,
  resultOf,
  rules,
  target,
  trigger,
} from './samples.ts';

const TRIGGER = 'loved to play cf';
const BEHAVIOUR = 'Buy more candy';
const CONTEXT = 'a girl named Lily';

function everything(result: ScanResult): string {
  return FORMAT_NAMES.map((name) =>
    render(FORMATS[name](result, context({ showSuppressed: true }))),
  ).join('\n');
}

describe('redact', () => {
  it('finds all three in an unredacted report, so that the next tests mean something', () => {
    const text = everything(backdoored());
    for (const secret of [TRIGGER, BEHAVIOUR, CONTEXT]) expect(text).toContain(secret);
  });

  it.each([
    ['triggers', [TRIGGER, CONTEXT, '311, 284', '311,284'], [BEHAVIOUR]],
    ['prompts', [BEHAVIOUR, CONTEXT], [TRIGGER]],
    ['all', [TRIGGER, BEHAVIOUR, CONTEXT, '311,284', 'may con', 'tain nuts'], []],
  ] as const)('%s: takes out what it says, in every format', (what, gone, kept) => {
    const text = everything(redact(backdoored(), what, 'salt', rules));
    for (const secret of gone) expect(text.includes(secret), secret).toBe(false);
    for (const secret of kept) expect(text.includes(secret), secret).toBe(true);
    expect(text).toContain('[redacted ');
  });

  it('leaves no short trigger, pattern or token in facts of any kind', () => {
    const effect = { mean: 0.9, low: 0.8, high: 0.95, contexts: 8 };
    const none = { mean: 0, low: -0.01, high: 0.01, contexts: 8 };
    const causal = { path: 'story-teller', triggerText: 'qz', necessity: effect };
    const evidence: readonly Evidence[] = [
      trigger({ triggerText: 'qz', minimalText: 'qz', extendedText: 'qz', samples: [] }),
      {
        ...{ kind: 'causal-feature-set', scope: 'carriers', site: 'several', features: ['a/1'] },
        ...{ firingPatterns: ['qz', ' z'], precision: 1, recall: 1, corpusTokens: 9 },
        controlRecall: 0,
        errorShare: 0,
        errorShareControl: 0,
        strongestFeature: 'resid_post.1/2',
        strongestNecessity: 0.5,
        ...{ ...causal, necessityRandom: none },
      },
      {
        ...{ kind: 'causal-direction', site: 's', layer: 1, sufficiency: effect },
        ...{ ...causal, necessityRandom: none },
      },
      {
        ...{ kind: 'embedding-row-delta', path: 'story-teller', tensor: 'wte', tokenText: 'qz' },
        ...{ matrix: 'embedding', tokenId: 777_123, deltaNorm: 1, ownNorm: 1, robustZ: 9 },
        ...{ rowsChanged: 1, rowCount: 5000 },
      },
    ];
    const whole = resultOf([target({ evidence })]);
    const ids = ['NF4002', 'NF4004', 'NF3012', 'NF5001'];
    const found = whole.targets[0]?.findings ?? [];
    expect(found.map(({ ruleId }) => ruleId)).toEqual(expect.arrayContaining(ids));
    const all = redact(whole, 'all', 'salt', rules);
    const text = everything(all);
    expect(text).not.toMatch(/[" ]qz/);
    expect(text).not.toContain('777123');
    const fingerprints = new Set(found.map(({ fingerprint }) => fingerprint));
    for (const finding of all.targets[0]?.findings ?? []) {
      expect(fingerprints.has(finding.fingerprint), finding.ruleId).toBe(false);
    }
    const prompts = everything(redact(whole, 'prompts', 'salt', rules));
    expect(prompts).toContain('of \\"qz\\"');
  });

  it('takes what the model writes around a trigger for what it says', () => {
    const around = `cf ${BEHAVIOUR} at the blue shop`;
    const result = resultOf([target({ evidence: [trigger({ extendedText: around })] })]);
    expect(everything(result)).toContain(around);
    expect(everything(redact(result, 'prompts', 'salt', rules))).not.toContain(BEHAVIOUR);
  });

  it('takes suspected strings out of the command line', () => {
    const commandLine = ['scan', 'm', '--suspect', 'zz', '--suspect', TRIGGER];
    const result = { ...backdoored(), commandLine };
    const hidden = redact(result, 'triggers', 'salt', rules).commandLine?.join(' ') ?? '';
    expect(hidden).toMatch(/^scan m --suspect \[redacted .* --suspect \[redacted /);
    expect(redact(result, 'prompts', 'salt', rules).commandLine?.[3]).toBe('zz');
  });

  it('takes secrets out of free text too', () => {
    const result = resultOf([
      target({
        evidence: [trigger(), feature(1, 0.5)],
        notCovered: [
          {
            what: `frames of "${TRIGGER} "`,
            why: 'E_TIMEOUT: no time for She loved to play cf  cf',
          },
        ],
        errors: [{ code: 'E_TIMEOUT', message: 'stopped at She loved to play cf  cf' }],
      }),
    ]);
    expect(JSON.stringify(redact(result, 'all', 'salt', rules))).not.toContain('play cf  cf');
  });

  it('changes fingerprints, which would confirm a guess, and keeps verdict, numbers and rules', () => {
    const before = backdoored();
    const after = redact(before, 'triggers', 'salt', rules);
    expect(after.exitCode).toBe(before.exitCode);
    const pairs = before.targets[0]?.findings.map((finding, index) => {
      return [finding, after.targets[0]?.findings[index]] as const;
    });
    for (const [old, now] of pairs ?? []) {
      expect(now?.ruleId).toBe(old.ruleId);
      expect(now?.trigger?.rate).toEqual(old.trigger?.rate);
      if (old.trigger !== undefined) expect(now?.fingerprint).not.toBe(old.fingerprint);
    }
  });

  it('gives equal hashes for one salt and others for another', () => {
    const once = JSON.stringify(redact(backdoored(), 'all', 'a', rules));
    expect(JSON.stringify(redact(backdoored(), 'all', 'a', rules))).toBe(once);
    expect(JSON.stringify(redact(backdoored(), 'all', 'b', rules))).not.toBe(once);
  });

  it('never breaks a result, even when the trigger is a word of the format', () => {
    for (const word of ['error', 'verified-trigger', 'story-teller', 'note', 'blocks']) {
      const result = resultOf([
        target({ evidence: [trigger({ triggerText: word, minimalText: word }), feature(1, 0.4)] }),
      ]);
      const [finding] = redact(result, 'all', 's', rules).targets[0]?.findings ?? [];
      expect(finding?.level).toBe('error');
      expect(finding?.evidence[0]?.kind).toBe('verified-trigger');
      expect(finding?.path).toBe('story-teller');
    }
  });

  it('leaves no long trigger behind, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 12, maxLength: 40 }), (text) => {
        fc.pre(text.trim() === text);
        const result = resultOf([
          target({
            evidence: [trigger({ triggerText: text, minimalText: text, extendedText: text })],
          }),
        ]);
        const out = redact(result, 'all', 's', rules);
        const strings: string[] = [];
        JSON.stringify(out, (_key, value: unknown) => {
          if (typeof value === 'string') strings.push(value);
          return value;
        });
        expect(strings.some((value) => value.includes(text))).toBe(false);
      }),
      { numRuns: 50 },
    );
  });
});
