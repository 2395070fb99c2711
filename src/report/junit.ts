/** JUnit XML for CI systems that know nothing else: stages and findings as test cases. */
import type { Finding, ScanResult, TargetResult } from '../finding/finding.ts';
import { counts, isGap } from '../judge/verdict.ts';
import { clip, visible, visibleLine } from './safe-text.ts';

const MAX_TEXT = 4000;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

function escapeXml(text: string): string {
  return visible(clip(text, MAX_TEXT)).replaceAll(/[&<>"]/g, (found) => ENTITIES[found] ?? found);
}

const attribute = (text: string): string => escapeXml(visibleLine(clip(text, MAX_TEXT)));

interface Case {
  readonly group: string;
  readonly name: string;
  /** What stands inside the test case. */
  readonly body: string;
  readonly outcome: 'passed' | 'failed' | 'error' | 'skipped';
}

function findingCase(finding: Finding, failOn: ScanResult['failOn']): Case {
  const group = `${finding.ruleId} ${finding.ruleName}`;
  const place = finding.location?.member === undefined ? '' : `!/${finding.location.member}`;
  const name = `${finding.path}${place} ${finding.fingerprint.slice(0, 12)}`;
  if (finding.suppression !== undefined) {
    const message = attribute(finding.suppression.reason);
    return { group, name, body: `<skipped message="${message}"/>`, outcome: 'skipped' };
  }
  if (counts(finding, failOn ?? 'error')) {
    const body = `<failure type="${finding.level}" message="${attribute(clip(finding.message, 500))}">${escapeXml(finding.message)}</failure>`;
    return { group, name, body, outcome: 'failed' };
  }
  const body = `<system-out>${escapeXml(`${finding.level}: ${finding.message}`)}</system-out>`;
  return { group, name, body, outcome: 'passed' };
}

function casesOf(target: TargetResult, failOn: ScanResult['failOn']): readonly Case[] {
  const problem = (group: string, name: string, message: string): Case => ({
    group,
    name,
    body: `<error message="${attribute(message)}"/>`,
    outcome: 'error',
  });
  const stages = target.coverage.stages.map((stage): Case => {
    const name = `stage ${stage.stage}`;
    if (stage.status === 'incomplete') {
      return problem('coverage', name, stage.detail ?? 'did not come to its end');
    }
    const skipped = stage.status === 'skipped';
    return {
      group: 'coverage',
      name,
      body: skipped ? '<skipped/>' : '',
      outcome: skipped ? 'skipped' : 'passed',
    };
  });
  const errors = target.errors.map((error) =>
    problem('coverage', `${error.code} ${error.file ?? ''}`, error.message),
  );
  const gaps = target.coverage.notCovered
    .filter(isGap)
    .map((item) => problem('coverage', item.what, item.why));
  return [
    ...stages,
    ...errors,
    ...gaps,
    ...target.findings
      .filter((finding) => finding.baselineState !== 'absent')
      .map((finding) => findingCase(finding, failOn)),
  ];
}

function attributesOf(cases: readonly Case[]): string {
  const count = (outcome: Case['outcome']) =>
    cases.filter((item) => item.outcome === outcome).length;
  return `tests="${cases.length}" failures="${count('failed')}" errors="${count('error')}" skipped="${count('skipped')}"`;
}

export function* renderJunit(result: ScanResult): Iterable<string> {
  const suites = result.targets.map((target) => ({
    target,
    cases: casesOf(target, result.failOn),
  }));
  yield '<?xml version="1.0" encoding="UTF-8"?>\n';
  yield `<testsuites name="narrowfire" ${attributesOf(suites.flatMap(({ cases }) => cases))}>\n`;
  for (const { target, cases } of suites) {
    yield `<testsuite name="${attribute(target.path)}" ${attributesOf(cases)}>\n`;
    for (const { group, name, body } of cases) {
      yield `<testcase classname="${attribute(group)}" name="${attribute(name)}">${body}</testcase>\n`;
    }
    yield '</testsuite>\n';
  }
  yield '</testsuites>\n';
}
