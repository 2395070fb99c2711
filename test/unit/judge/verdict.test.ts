import { describe, expect, it } from 'vitest';
import type { Coverage, Finding, TargetResult } from '../../../src/finding/finding.ts';
import { exitCodeOf, isGap, overallVerdict, targetVerdict } from '../../../src/judge/verdict.ts';

const done: Coverage = { stages: [{ stage: 'files', status: 'done' }], notCovered: [] };
const gap: Coverage = { ...done, notCovered: [{ what: 'a.bin', why: 'E_FORMAT: bad' }] };

function finding(level: Finding['level'], extra: Partial<Finding> = {}): Finding {
  return {
    ruleId: 'NF1000',
    ruleName: 'malformed-file',
    level,
    message: 'm',
    path: 'm',
    fingerprint: 'f',
    evidence: [],
    taxa: [],
    ...extra,
  } as Finding;
}

function target(
  findings: readonly Finding[],
  coverage: Coverage,
  failOn: 'error' | 'none',
): TargetResult {
  return {
    path: 'm',
    kind: 'folder',
    verdict: targetVerdict(findings, coverage, [], failOn),
    findings,
    coverage,
    cost: { tokens: 0, device: 'cpu' },
    errors: [],
  };
}

describe('verdict', () => {
  it.each([
    ['pass', [], done],
    ['pass', [finding('warning')], done],
    ['fail', [finding('error')], done],
    ['fail', [finding('error')], gap],
    ['incomplete', [finding('note')], gap],
    ['incomplete', [], { stages: [], notCovered: [] }],
    ['incomplete', [], { stages: [{ stage: 'files', status: 'incomplete' }], notCovered: [] }],
    ['incomplete', [], { stages: [{ stage: 'files', status: 'skipped' }], notCovered: [] }],
    ['pass', [finding('error', { suppression: { reason: 'known', source: 'x' } })], done],
    ['pass', [finding('error', { baselineState: 'unchanged' })], done],
    ['fail', [finding('error', { baselineState: 'new' })], done],
  ] as const)('%s', (verdict, findings, coverage) => {
    expect(targetVerdict(findings, coverage, [], 'error')).toBe(verdict);
  });

  it('counts lower levels when asked to', () => {
    expect(targetVerdict([finding('note')], done, [], 'note')).toBe('fail');
    expect(targetVerdict([finding('note')], done, [], 'warning')).toBe('pass');
  });

  it('is incomplete after any error of a stage', () => {
    expect(targetVerdict([], done, [{ code: 'E_IO', message: 'x' }], 'error')).toBe('incomplete');
  });

  it('takes the worst of several targets', () => {
    expect(overallVerdict([{ verdict: 'pass' }, { verdict: 'incomplete' }])).toBe('incomplete');
    expect(overallVerdict([{ verdict: 'fail' }, { verdict: 'incomplete' }])).toBe('fail');
    expect(overallVerdict([{ verdict: 'pass' }])).toBe('pass');
  });
});

describe('exit code', () => {
  it.each([
    [0, target([], done, 'error'), 'error'],
    [1, target([finding('error')], gap, 'error'), 'error'],
    [4, target([], gap, 'error'), 'error'],
    [0, target([finding('error')], done, 'none'), 'none'],
    [4, target([finding('error')], gap, 'none'), 'none'],
  ] as const)('%i', (code, result, failOn) => {
    expect(exitCodeOf([result], failOn)).toBe(code);
  });

  it('is 3 without targets', () => {
    expect(exitCodeOf([], 'error')).toBe(3);
  });

  it.each([
    [3, 'missing', 'E_NOT_FOUND'],
    [3, 'folder', 'E_NOTHING_TO_SCAN'],
    [4, 'model-folder', 'E_NOT_FOUND'],
  ] as const)('is %i for a %s with %s', (exitCode, kind, code) => {
    const result = { ...target([], done, 'error'), kind, errors: [{ code, message: 'm' }] };
    expect(exitCodeOf([result], 'error')).toBe(exitCode);
  });
});

it('tells what failed from the limits that every scan has', () => {
  expect(isGap({ what: 'x', why: 'E_ARCHITECTURE: not known' })).toBe(true);
  expect(isGap({ what: 'x', why: 'not tried by this profile' })).toBe(false);
  expect(isGap({ what: 'x', why: 'E_MADE_UP: not a code' })).toBe(false);
});
