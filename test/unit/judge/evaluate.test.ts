import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Evidence } from '../../../src/evidence/evidence.ts';
import type { MalformedFile } from '../../../src/evidence/file.ts';
import { evaluate } from '../../../src/judge/evaluate.ts';
import { loadRules } from '../../../src/judge/load-rules.ts';
import type { Rule } from '../../../src/judge/rule.ts';

const rules = loadRules();

function malformed(path: string, code = 'E_TRUNCATED', member?: string): MalformedFile {
  return {
    kind: 'malformed-file',
    path,
    ...(member !== undefined && { location: { member, byteOffset: 8 } }),
    format: 'zip',
    code,
    problem: 'too short',
  };
}

function ruleNamed(name: string): Rule {
  const rule = rules.find((candidate) => candidate.name === name);
  if (rule === undefined) throw new Error(name);
  return rule;
}

describe('evaluate', () => {
  it('gives the same findings for any order of the evidence', () => {
    const facts = ['a', 'b', 'c'].flatMap((path) =>
      ['x', 'y'].map((member) => malformed(path, 'E_FORMAT', member)),
    );
    const expected = JSON.stringify(evaluate(facts, rules));
    fc.assert(
      fc.property(fc.shuffledSubarray(facts, { minLength: facts.length }), (shuffled) => {
        expect(JSON.stringify(evaluate(shuffled, rules))).toBe(expected);
      }),
    );
  });

  it('makes one finding of a group and counts its members', () => {
    const rows = [9, 20, 12].map((robustZ, tokenId): Evidence => {
      return {
        kind: 'embedding-outlier',
        path: 'm',
        tensor: 'e',
        tokenId,
        tokenText: 'x',
        norm: 1,
        robustZ,
      };
    });
    const { findings } = evaluate(rows, rules);
    expect(findings).toHaveLength(1);
    expect(findings[0]?.message).toContain('norm: 3.');
    expect(findings[0]?.message).toContain('robust z 20');
  });

  it('keeps at most 100 facts and says how many there were', () => {
    const rows = Array.from({ length: 250 }, (_, tokenId): Evidence => {
      return {
        kind: 'embedding-outlier',
        path: 'm',
        tensor: 'e',
        tokenId,
        tokenText: 'x',
        norm: 1,
        robustZ: 9,
      };
    });
    const { findings } = evaluate(rows, rules);
    expect(findings[0]?.evidence).toHaveLength(100);
    expect(findings[0]?.evidenceTotal).toBe(250);
  });

  it('sorts errors before warnings before notes', () => {
    const facts: Evidence[] = [
      { kind: 'coverage-gap', path: 'm', what: 'a', why: 'E_IO: x', failed: true },
      malformed('m/z.zip'),
      {
        kind: 'non-finite-tensor',
        path: 'm',
        tensor: 't',
        nanCount: 1,
        infiniteCount: 0,
        elementCount: 2,
      },
    ];
    expect(evaluate(facts, rules).findings.map((finding) => finding.level)).toEqual([
      'error',
      'warning',
      'note',
    ]);
  });

  it('reports a rule that cannot be applied instead of staying silent', () => {
    const rule = { ...ruleNamed('malformed-file'), when: 'e.nothing > 3' };
    const { findings, errors } = evaluate([malformed('m/a')], [rule]);
    expect(findings).toEqual([]);
    expect(errors[0]?.code).toBe('E_RULE');
    expect(errors[0]?.message).toContain('NF1000');
  });

  it('leaves disabled rules out', () => {
    const rule = { ...ruleNamed('malformed-file'), enabled: false };
    expect(evaluate([malformed('m/a')], [rule]).findings).toEqual([]);
  });
});

describe('fingerprints', () => {
  it('do not change with scores, counts or offsets', () => {
    const at = (byteOffset: number): Evidence => ({
      ...malformed('m/a'),
      location: { byteOffset },
    });
    const [first] = evaluate([at(8)], rules).findings;
    const [second] = evaluate([at(900)], rules).findings;
    expect(first?.fingerprint).toBe(second?.fingerprint);
    expect(first?.fingerprint).toMatch(/^[0-9a-f]{32}$/);
  });

  it('are unique within a result even when subjects are equal', () => {
    const rule = { ...ruleNamed('malformed-file'), groupBy: ['problem'], subject: [] };
    const facts = ['a', 'b', 'c'].map((problem) => ({ ...malformed('m/a'), problem }));
    const prints = evaluate(facts, [rule]).findings.map((finding) => finding.fingerprint);
    expect(new Set(prints).size).toBe(3);
  });

  it('differ between paths and between rules', () => {
    const prints = evaluate([malformed('m/a'), malformed('m/b')], rules).findings;
    expect(new Set(prints.map((finding) => finding.fingerprint)).size).toBe(2);
  });
});
