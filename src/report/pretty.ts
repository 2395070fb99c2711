/** The result for a terminal: verdict first, findings by severity, then what was not covered. */
import type { VerifiedTrigger } from '../evidence/behaviour.ts';
import type { Finding, Level, ScanResult, TargetResult, Verdict } from '../finding/finding.ts';
import { isGap } from '../judge/verdict.ts';
import { calibrationLines } from './calibration-lines.ts';
import { activeFindings, meaningOf } from './meaning.ts';
import type { ReportContext } from './report.ts';
import { clip, visible, visibleLine } from './safe-text.ts';

const MAX_GAPS = 12;

type Style = (text: string) => string;

interface Theme {
  readonly bold: Style;
  readonly dim: Style;
  readonly level: Readonly<Record<Level, Style>>;
  readonly verdict: Readonly<Record<Verdict, Style>>;
}

function theme(color: boolean): Theme {
  const paint = (codes: string): Style =>
    color ? (text) => `\u001b[${codes}m${text}\u001b[0m` : (text) => text;
  return {
    bold: paint('1'),
    dim: paint('2'),
    level: { error: paint('1;31'), warning: paint('1;33'), note: paint('1;36') },
    verdict: { fail: paint('1;37;41'), incomplete: paint('1;30;43'), pass: paint('1;30;42') },
  };
}

/** Wraps at spaces; a longer word is left whole. */
export function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + word.length + 1 > width - indent.length) {
        lines.push(line);
        line = word;
      } else {
        line = line === '' ? word : `${line} ${word}`;
      }
    }
    lines.push(line);
  }
  return lines.map((line) => `${indent}${line}`).join('\n');
}

function place(finding: Finding): string {
  const at = finding.location;
  const parts = [visibleLine(clip(finding.path, 200))];
  if (at?.member !== undefined) parts.push(`!/${visibleLine(clip(at.member, 200))}`);
  if (at?.line !== undefined) parts.push(`:${at.line}`);
  if (at?.byteOffset !== undefined) parts.push(` @ byte ${at.byteOffset}`);
  if (at?.tensor !== undefined) parts.push(` tensor ${visibleLine(clip(at.tensor, 200))}`);
  return parts.join('');
}

function sample(finding: Finding): VerifiedTrigger['samples'][number] | undefined {
  for (const fact of finding.evidence) {
    if (fact.kind === 'verified-trigger') return fact.samples?.[0];
  }
  return undefined;
}

function* findingLines(finding: Finding, context: ReportContext, paint: Theme): Iterable<string> {
  const tags = [
    finding.suppression === undefined ? '' : 'suppressed',
    finding.baselineState ?? '',
  ].filter((tag) => tag !== '');
  const suffix = tags.length === 0 ? '' : paint.dim(` (${tags.join(', ')})`);
  yield `  ${paint.level[finding.level](finding.level.padEnd(7))} ${paint.bold(finding.ruleId)} ${finding.ruleName}${suffix}\n`;
  yield `${wrap(visible(clip(finding.message, 2000)), context.width, '          ')}\n`;
  yield `          ${paint.dim(`at ${place(finding)}`)}\n`;
  const example = sample(finding);
  if (example !== undefined) {
    const show = (text: string) => visibleLine(clip(text, 160));
    yield `          ${paint.dim('with it   ')} ${show(example.triggered)}\n`;
    yield `          ${paint.dim('without it')} ${show(example.untriggered)}\n`;
  }
  if (finding.suppression !== undefined) {
    yield `          ${paint.dim(`accepted: ${visibleLine(clip(finding.suppression.reason, 300))}`)}\n`;
  }
  yield `          ${paint.dim(`fingerprint ${visibleLine(clip(finding.fingerprint, 64))}`)}\n`;
}

function tally(findings: readonly Finding[]): string {
  const counts = (['error', 'warning', 'note'] as const).map((level) => {
    const number = findings.filter((finding) => finding.level === level).length;
    return `${number} ${level}${number === 1 ? '' : 's'}`;
  });
  return counts.join(', ');
}

function* targetLines(
  target: TargetResult,
  context: ReportContext,
  paint: Theme,
): Iterable<string> {
  const label = paint.verdict[target.verdict](` ${target.verdict.toUpperCase()} `);
  yield `\n${label} ${paint.bold(visibleLine(clip(target.path, 300)))} ${paint.dim(target.kind)}\n`;
  yield `  ${meaningOf(target)}\n`;
  const shown = target.findings.filter(
    (finding) => context.showSuppressed || finding.suppression === undefined,
  );
  for (const finding of shown) {
    yield '\n';
    yield* findingLines(finding, context, paint);
  }
  if (target.errors.length > 0) yield `\n  ${paint.bold('Errors')}\n`;
  for (const error of target.errors) {
    const at = error.byteOffset === undefined ? '' : ` @ byte ${error.byteOffset}`;
    const file = error.file === undefined ? '' : ` ${visibleLine(clip(error.file, 200))}`;
    yield `    ${error.code}${file}${at}: ${visibleLine(clip(error.message, 400))}\n`;
  }
  yield* coverageLines(target, paint);
  const [calibration, ...changes] = calibrationLines(target);
  if (calibration !== undefined) {
    yield `\n  ${paint.bold('Calibration')} ${visibleLine(clip(calibration, 300))}\n`;
    for (const line of changes) yield `    - ${visibleLine(clip(line, 400))}\n`;
  }
  const hidden = target.findings.length - shown.length;
  if (hidden > 0)
    yield `\n  ${paint.dim(`${hidden} suppressed; show them with --show-suppressed`)}\n`;
}

function* coverageLines(target: TargetResult, paint: Theme): Iterable<string> {
  const stages = target.coverage.stages.map((stage) => `${stage.stage} ${stage.status}`).join(', ');
  yield `\n  ${paint.bold('Covered')} ${stages === '' ? 'nothing' : stages}`;
  yield target.cost.tokens > 0
    ? `; ${target.cost.tokens} model tokens on ${target.cost.device}\n`
    : '\n';
  if (target.coverage.notCovered.length === 0) return;
  yield `  ${paint.bold('Not covered')}\n`;
  const ordered = target.coverage.notCovered.toSorted(
    (a, b) => Number(isGap(b)) - Number(isGap(a)),
  );
  for (const item of ordered.slice(0, MAX_GAPS)) {
    const mark = isGap(item) ? paint.level.warning('!') : paint.dim('-');
    yield `    ${mark} ${visibleLine(clip(item.what, 200))}: ${paint.dim(visibleLine(clip(item.why, 300)))}\n`;
  }
  if (ordered.length > MAX_GAPS)
    yield `    ${paint.dim(`and ${ordered.length - MAX_GAPS} more`)}\n`;
}

export function* renderPretty(result: ScanResult, context: ReportContext): Iterable<string> {
  const paint = theme(context.color);
  for (const target of result.targets) yield* targetLines(target, context, paint);
  const active = result.targets.flatMap(activeFindings);
  const targets = `${result.targets.length} target${result.targets.length === 1 ? '' : 's'}`;
  yield `\n${paint.verdict[result.verdict](` ${result.verdict.toUpperCase()} `)} ${targets}: ${tally(active)}; exit code ${result.exitCode}\n`;
}
