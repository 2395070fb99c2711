/**
 * GitHub workflow commands: annotations on the files of a pull request. GitHub shows about ten of a kind a step, so
 * the ten most severe are written and the rest is counted.
 */
import type { Finding, Level, ScanResult, TargetResult } from '../finding/finding.ts';
import { compareFindings } from '../judge/evaluate.ts';
import { activeFindings } from './meaning.ts';
import type { ReportContext } from './report.ts';
import { clip, visibleLine } from './safe-text.ts';
import { fileOf, pathFromRoot } from './source-path.ts';

const MAX_ANNOTATIONS = 10;

const COMMAND: Readonly<Record<Level, string>> = {
  error: 'error',
  warning: 'warning',
  note: 'notice',
};

/** Data of a workflow command: percent, and whatever could end the line. */
function data(text: string): string {
  return visibleLine(text).replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

function annotation(finding: Finding, target: TargetResult, context: ReportContext): string {
  const path = pathFromRoot(fileOf(finding.path, target), target, context.sourceRoot);
  const line = finding.location?.line ?? context.anchorLines?.get(finding.path) ?? 1;
  const properties = `file=${property(clip(path, 1000))},line=${line},title=${property(`${finding.ruleId} ${finding.ruleName}`)}`;
  return `::${COMMAND[finding.level]} ${properties}::${data(clip(finding.message, 1000))}\n`;
}

export function* renderGithub(result: ScanResult, context: ReportContext): Iterable<string> {
  const active = result.targets
    .flatMap((target) => activeFindings(target).map((finding) => ({ finding, target })))
    .toSorted((a, b) => compareFindings(a.finding, b.finding));
  const incomplete = result.targets.filter((target) => target.verdict === 'incomplete');
  const more = active.length > MAX_ANNOTATIONS;
  const room = MAX_ANNOTATIONS - (more ? 1 : 0) - (incomplete.length > 0 ? 1 : 0);
  const kept = active.slice(0, room);
  for (const { finding, target } of kept) yield annotation(finding, target, context);
  if (incomplete.length > 0) {
    const names = incomplete.map(({ path }) => path).join(', ');
    yield `::warning title=narrowfire::${data(clip(`Scan incomplete: ${names}`, 1000))}\n`;
  }
  if (active.length > kept.length) {
    yield `::notice title=narrowfire::${active.length - kept.length} more findings are in the reports\n`;
  }
}
