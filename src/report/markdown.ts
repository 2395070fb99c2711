/**
 * Markdown for job summaries and pull-request comments (GitHub takes 1 MiB a step). Text from the model stands in
 * `<code>` with numeric entities only, so it can be no link, image, mention, table cell or heading.
 */
import type { Finding, ScanResult, TargetResult } from '../finding/finding.ts';
import { isGap } from '../judge/verdict.ts';
import { calibrationLines } from './calibration-lines.ts';
import { shellCommand } from './command-line.ts';
import { activeFindings, meaningOf } from './meaning.ts';
import { clip, visibleLine } from './safe-text.ts';

const MAX_ROWS = 100;
const MAX_GAPS = 20;

const SIGN = { fail: '❌', incomplete: '⚠️', pass: '✅' } as const;

/** Every character but letters, digits and spaces as a numeric entity. */
export function inert(text: string, maxCharacters: number): string {
  return visibleLine(clip(text, maxCharacters)).replaceAll(
    /[^\p{L}\p{N} ]/gu,
    (character) => `&#${character.codePointAt(0)};`,
  );
}

const code = (text: string, maxCharacters = 200): string =>
  `<code>${inert(text, maxCharacters)}</code>`;

function row(finding: Finding): string {
  const place =
    finding.location?.member === undefined
      ? finding.path
      : `${finding.path}!/${finding.location.member}`;
  const state = finding.baselineState === undefined ? '' : ` (${finding.baselineState})`;
  return `| ${finding.level}${state} | ${finding.ruleId} ${finding.ruleName} | ${code(place)} | ${inert(finding.message, 500)} |\n`;
}

function triggerLines(finding: Finding): string {
  const { trigger, behaviour } = finding;
  if (trigger === undefined) return '';
  const percent = (share: number) => `${Number((share * 100).toFixed(1))} %`;
  return [
    `- Trigger ${code(trigger.text)} makes the model say ${code(behaviour?.text ?? '')}`,
    `: ${percent(trigger.rate.rate)} of ${trigger.rate.trials} unseen contexts`,
    ` (random strings: ${percent(trigger.controlRate.rate)}).`,
    ` Shortest form that works: ${code(trigger.minimalText)}.\n`,
  ].join('');
}

function* targetLines(target: TargetResult): Iterable<string> {
  yield `## ${SIGN[target.verdict]} ${target.verdict}: ${code(target.path, 300)}\n\n${meaningOf(target)}\n\n`;
  const shown = activeFindings(target);
  for (const finding of shown.slice(0, 10)) yield triggerLines(finding);
  if (shown.length > 0) {
    yield '\n| Level | Rule | Where | What |\n| --- | --- | --- | --- |\n';
    for (const finding of shown.slice(0, MAX_ROWS)) yield row(finding);
    if (shown.length > MAX_ROWS)
      yield `\n${shown.length - MAX_ROWS} more findings are not listed.\n`;
  }
  const suppressed = target.findings.filter((finding) => finding.suppression !== undefined).length;
  if (suppressed > 0) yield `\nAccepted findings, not listed: ${suppressed}.\n`;
  yield* coverageLines(target);
  const [calibration, ...changes] = calibrationLines(target);
  if (calibration === undefined) return;
  yield `\nCalibration: ${code(calibration, 300)}\n\n`;
  for (const line of changes) yield `- ${inert(line, 400)}\n`;
}

function* coverageLines(target: TargetResult): Iterable<string> {
  const stages = target.coverage.stages.map(({ stage, status }) => `${stage} ${status}`).join(', ');
  yield `\nCovered: ${stages === '' ? 'nothing' : stages}.\n`;
  const gaps = target.coverage.notCovered.toSorted((a, b) => Number(isGap(b)) - Number(isGap(a)));
  if (gaps.length + target.errors.length === 0) return;
  yield '\n<details><summary>Not covered</summary>\n\n';
  for (const error of target.errors.slice(0, MAX_GAPS)) {
    yield `- ${error.code} ${code(error.file ?? target.path)}: ${inert(error.message, 300)}\n`;
  }
  for (const item of gaps.slice(0, MAX_GAPS))
    yield `- ${code(item.what)}: ${inert(item.why, 300)}\n`;
  if (gaps.length > MAX_GAPS) yield `- and ${gaps.length - MAX_GAPS} more\n`;
  yield '\n</details>\n';
}

export function* renderMarkdown(result: ScanResult): Iterable<string> {
  yield '# narrowfire\n\n';
  for (const target of result.targets.slice(0, 50)) {
    yield* targetLines(target);
    yield '\n';
  }
  if (result.targets.length > 50)
    yield `${result.targets.length - 50} more targets are not listed.\n\n`;
  if (result.commandLine !== undefined) {
    yield `Do it again: ${code(shellCommand(result.commandLine), 1000)}\n\n`;
  }
  yield `Exit code ${result.exitCode}, narrowfire ${result.tool.version}.\n`;
}
