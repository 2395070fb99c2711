import fc from 'fast-check';
import type { Log } from 'sarif';
import { describe, expect, it } from 'vitest';
import type { ScanResult } from '../../src/finding/finding.ts';
import { SARIF_PROFILES, type SarifProfile } from '../../src/report/report.ts';
import { renderSarif } from '../../src/report/sarif/sarif.ts';
import {
  backdoored,
  clean,
  context,
  hostile,
  incomplete,
  many,
  render,
  resultOf,
  target,
  trigger,
} from '../unit/report/samples.ts';
import { lintSarif } from './sarif-lint.ts';
import { sarifProblems } from './sarif-schema.ts';

function check(result: ScanResult, sarifProfile: SarifProfile, maxResults = 1000): Log {
  const text = render(renderSarif(result, context({ sarifProfile, maxResults })));
  const log = JSON.parse(text) as Log;
  expect(sarifProblems(text)).toEqual([]);
  return log;
}

const SAMPLES = { backdoored, clean, incomplete, hostile };

describe.each(SARIF_PROFILES)('profile %s', (profile) => {
  it.each(Object.entries(SAMPLES))('is valid for a %s result', (_name, sample) => {
    check(sample(), profile);
  });

  it('is valid for any text in any place', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const fact = trigger({ triggerText: text, minimalText: text, behaviourText: text });
        check(
          resultOf([
            target({
              path: `models/${text}`,
              name: text,
              evidence: [
                { ...fact, path: `${text}/x` },
                {
                  kind: 'non-finite-tensor',
                  path: `${text}/y`,
                  tensor: text,
                  location: { tensor: text, key: text, member: text },
                  nanCount: 1,
                  infiniteCount: 0,
                  elementCount: 1,
                },
              ],
              files: [{ path: `${text}/y`, byteLength: 3 }],
            }),
          ]),
          profile,
        );
      }),
      { numRuns: 60 },
    );
  });

  it('is equal byte for byte when rendered twice', () => {
    const once = render(renderSarif(backdoored(), context({ sarifProfile: profile })));
    expect(render(renderSarif(backdoored(), context({ sarifProfile: profile })))).toBe(once);
  });
});

it('keeps 30,000 findings valid under the default cap and announces the rest', () => {
  const result = many(30_000);
  const log = check(result, 'github');
  expect(log.runs[0]?.results).toHaveLength(1000);
  expect(log.runs[0]?.results?.every((item) => item.level === 'error')).toBe(true);
  const [first] = log.runs[0]?.invocations?.[0]?.toolExecutionNotifications ?? [];
  expect(first?.message.text).toContain('29001 results are left out');
});

it('can write 25,000 results, the most that GitHub takes', () => {
  // The schema asks for unique logical locations, which ajv compares pairwise: the lint alone is enough here.
  const text = render(
    renderSarif(many(30_000), context({ sarifProfile: 'github', maxResults: 25_000 })),
  );
  expect((JSON.parse(text) as Log).runs[0]?.results).toHaveLength(25_000);
  expect(lintSarif(text)).toEqual([]);
});

describe('the lint', () => {
  const good = () => JSON.parse(render(renderSarif(backdoored(), context()))) as Log;
  const spoil = (change: (log: Log) => void): readonly string[] => {
    const log = good();
    change(log);
    return lintSarif(JSON.stringify(log));
  };
  const firstOf = (log: Log) => {
    const result = log.runs[0]?.results?.[0];
    if (result === undefined) throw new Error('no result');
    return result;
  };

  it.each<[string, (log: Log) => void]>([
    [
      'start line of 0',
      (log) =>
        void Object.assign(firstOf(log).locations?.[0]?.physicalLocation?.region ?? {}, {
          startLine: 0,
        }),
    ],
    ['a wrong rule index', (log) => void Object.assign(firstOf(log), { ruleIndex: 7000 })],
    ['no location', (log) => void Object.assign(firstOf(log), { locations: [] })],
    [
      'an absolute URI',
      (log) =>
        void Object.assign(firstOf(log).locations?.[0]?.physicalLocation?.artifactLocation ?? {}, {
          uri: '/etc/passwd',
        }),
    ],
    [
      'a URI with a space',
      (log) =>
        void Object.assign(firstOf(log).locations?.[0]?.physicalLocation?.artifactLocation ?? {}, {
          uri: 'a b',
        }),
    ],
    [
      'an unresolved taxon',
      (log) => void Object.assign(firstOf(log).taxa?.[0] ?? {}, { index: 99 }),
    ],
    ['an empty message', (log) => void Object.assign(firstOf(log).message, { text: '' })],
    [
      'a direction character',
      (log) => void Object.assign(firstOf(log).message, { text: '\u202e' }),
    ],
    [
      'no category',
      (log) => void Object.assign(log.runs[0] ?? {}, { automationDetails: { id: 'x' } }),
    ],
  ])('finds %s', (_name, change) => {
    expect(spoil(change).length).toBeGreaterThan(0);
  });
});
