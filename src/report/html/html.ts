/**
 * The report that people look at: one file, no network, no scripts. What was found and what was not covered come
 * first. A strict content policy allows the one style sheet by its digest and nothing else.
 */
import { createHash } from 'node:crypto';
import type { Finding, Level, ScanResult, TargetResult, Verdict } from '../../finding/finding.ts';
import { isGap } from '../../judge/verdict.ts';
import { calibrationLines } from '../calibration-lines.ts';
import { shellCommand } from '../command-line.ts';
import { activeFindings, meaningOf, needsLook } from '../meaning.ts';
import type { ReportContext } from '../report.ts';
import { clip } from '../safe-text.ts';
import { findingCard } from './finding-card.ts';
import { html, literal, type Markup, NOTHING } from './markup.ts';
import { STYLE } from './style.ts';

/** Browsers stay quick with this many cards; the result JSON holds all. */
const MAX_CARDS = 300;
const MAX_GAPS = 500;
const GAPS_IN_SIGHT = 10;

const LEVELS: readonly (readonly [Level, string])[] = [
  ['error', 'Errors'],
  ['warning', 'Warnings: a person must look'],
  ['note', 'Notes'],
];

const WORD: Readonly<Record<Verdict, string>> = {
  fail: 'Fail',
  incomplete: 'Incomplete',
  pass: 'Pass',
};

function tally(findings: readonly Finding[]): Markup {
  const chips = LEVELS.map(([level]) => {
    const count = findings.filter((finding) => finding.level === level).length;
    const tone = count > 0 ? level : '';
    return html`<span class="${tone}"><b>${count}</b>${level}${count === 1 ? '' : 's'}</span>`;
  });
  return html`<div class="tally">${chips}</div>`;
}

function stages(target: TargetResult): Markup {
  const items = target.coverage.stages.map((stage) => {
    const tokens =
      stage.tokens === undefined ? '' : `, ${stage.tokens.toLocaleString('en-US')} tokens`;
    const state = stage.status === 'done' ? '' : ` (${stage.status})`;
    return html`<li class="${stage.status}">${stage.stage}${state}${tokens}</li>`;
  });
  return items.length === 0 ? html`<p>No stage ran.</p>` : html`<ul class="stages">${items}</ul>`;
}

/** The first few in sight, the others one click away; failures before limits. */
function gaps(target: TargetResult): Markup {
  const errors = target.errors.map((error) => {
    const at = error.byteOffset === undefined ? '' : ` @ byte ${error.byteOffset}`;
    return html`<li class="failed">${error.code} ${clip(error.file ?? '', 300)}${at}: <span>${error.message}</span></li>`;
  });
  const items = target.coverage.notCovered
    .toSorted((a, b) => Number(isGap(b)) - Number(isGap(a)))
    .map(
      (item) =>
        html`<li class="${isGap(item) ? 'failed' : 'limit'}">${clip(item.what, 300)}: <span>${item.why}</span></li>`,
    );
  const all = [...errors, ...items];
  if (all.length === 0) return html`<p>Nothing is listed.</p>`;
  const first = html`<ul class="gaps">${all.slice(0, GAPS_IN_SIGHT)}</ul>`;
  if (all.length <= GAPS_IN_SIGHT) return first;
  const rest = all.slice(GAPS_IN_SIGHT, MAX_GAPS);
  const cut =
    all.length > MAX_GAPS
      ? html`<li>${all.length - MAX_GAPS} more in the result JSON</li>`
      : NOTHING;
  return html`${first}<details><summary>and ${all.length - GAPS_IN_SIGHT} more</summary><ul class="gaps">${rest}${cut}</ul></details>`;
}

const MAX_TOP = 4;

/** The worst findings in one line each, as links to their cards. */
function topFindings(target: TargetResult, shown: readonly Finding[], index: number): Markup {
  const worst = activeFindings(target).filter((finding) => finding.level !== 'note');
  if (worst.length === 0) return NOTHING;
  const lines = worst.slice(0, MAX_TOP).map((finding) => {
    const trigger = finding.trigger;
    const gist =
      trigger === undefined
        ? html`<small>${clip(finding.path, 120)}</small>`
        : html`${literal(trigger.text, 60)} <small>gives</small> ${literal(finding.behaviour?.text ?? '', 80)}`;
    return html`<li><span class="chip ${finding.level}">${finding.level}</span> <a href="#f${index}-${shown.indexOf(finding)}">${finding.ruleName}</a> ${gist}</li>`;
  });
  const more =
    worst.length > MAX_TOP
      ? html`<li><small>and ${worst.length - MAX_TOP} more below</small></li>`
      : NOTHING;
  return html`<ul class="top">${lines}${more}</ul>`;
}

function calibrated(target: TargetResult): Markup {
  const [calibration, ...changes] = calibrationLines(target);
  if (calibration === undefined) return NOTHING;
  const lines = changes.map((line) => {
    const [what = '', ...rest] = line.split(': ');
    const tone = what === 'Withheld' ? 'failed' : 'limit';
    return html`<li class="${tone}">${what}: <span>${clip(rest.join(': '), 400)}</span></li>`;
  });
  return html`<h2 class="label">Calibration</h2><p class="where">${clip(calibration, 300)}</p><ul class="gaps">${lines}</ul>`;
}

function hero(target: TargetResult, shown: readonly Finding[], index: number): Markup {
  const digest =
    target.sha256 === undefined ? NOTHING : html`<p class="where">SHA-256 ${target.sha256}</p>`;
  const cost =
    target.cost.tokens > 0
      ? html`<p class="where">${target.cost.tokens.toLocaleString('en-US')} model tokens on ${target.cost.device}</p>`
      : NOTHING;
  return html`<section class="hero ${needsLook(target) ? 'incomplete' : target.verdict}">
<div class="hero-top"><div class="verdict">${WORD[target.verdict]}</div><p class="path"><b>${clip(target.path, 400)}</b></p><p>${meaningOf(target)}</p>${topFindings(target, shown, index)}</div>
<div class="hero-body"><section><h2 class="label">Found</h2>${tally(activeFindings(target))}<h2 class="label">Looked at</h2>${stages(target)}${cost}${digest}${calibrated(target)}</section>
<section><h2 class="label">Not covered</h2>${gaps(target)}</section></div></section>`;
}

function* targetSection(
  target: TargetResult,
  index: number,
  context: ReportContext,
): Iterable<Markup> {
  const shown = target.findings.filter(
    (finding) => context.showSuppressed || finding.suppression === undefined,
  );
  yield hero(target, shown, index);
  const cards = shown.slice(0, MAX_CARDS);
  for (const [level, title] of LEVELS) {
    const group = cards.filter((finding) => finding.level === level);
    if (group.length === 0) continue;
    yield html`<h2 class="severity">${title}</h2>`;
    for (const finding of group) {
      yield findingCard(finding, target, context, `f${index}-${cards.indexOf(finding)}`);
    }
  }
  if (shown.length > cards.length) {
    yield html`<p class="state">${shown.length - cards.length} more findings are in the result JSON.</p>`;
  }
  const hidden = target.findings.length - shown.length;
  if (hidden > 0) yield html`<p class="state">${hidden} accepted findings are not shown.</p>`;
}

function reproduce(result: ScanResult): Markup {
  if (result.commandLine === undefined) return NOTHING;
  return html`<h2 class="severity">Do it again</h2><pre class="command"><span class="prompt">$ </span>${shellCommand(result.commandLine)}</pre>`;
}

export function* renderHtml(result: ScanResult, context: ReportContext): Iterable<string> {
  const digest = createHash('sha256').update(STYLE).digest('base64');
  const names = result.targets
    .map((target) => clip(target.path, 80))
    .slice(0, 3)
    .join(', ');
  const policy = `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`;
  yield `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n`;
  yield html`<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${WORD[result.verdict]}: ${names} – narrowfire</title>\n`.text;
  yield `<style>${STYLE}</style>\n</head>\n<body>\n<main>\n`;
  yield html`<header class="brand"><b>narrowfire</b><span>backdoor scan ${context.timestamp ?? ''}</span></header>\n`
    .text;
  for (const [index, target] of result.targets.entries()) {
    for (const part of targetSection(target, index, context)) yield `${part.text}\n`;
  }
  yield reproduce(result).text;
  const basis =
    result.calibration === undefined
      ? NOTHING
      : html` Thresholds (${result.calibration.name}): ${result.calibration.basis}`;
  yield html`\n<footer>narrowfire ${result.tool.version}, exit code ${result.exitCode}.${basis} Text from the model is shown as data: invisible characters appear as escapes, spaces at the edges as dots.</footer>\n`
    .text;
  yield '</main>\n</body>\n</html>\n';
}
