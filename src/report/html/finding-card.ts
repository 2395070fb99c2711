/** One finding as a card: what, where, the evidence, what to do, and the rule behind it. */
import type { Finding, TargetResult } from '../../finding/finding.ts';
import type { Rule } from '../../judge/rule.ts';
import { findTaxon } from '../../judge/taxonomy.ts';
import type { ReportContext } from '../report.ts';
import { clip, jsonText } from '../safe-text.ts';
import { featuresOf, triggerOf } from '../sarif/flows.ts';
import { factTable, spectra } from './facts.ts';
import { markdown } from './markdown.ts';
import { html, type Markup, NOTHING } from './markup.ts';
import { causalPlot, featureEffects, triggerSection } from './trigger.ts';

const MAX_JSON = 20_000;

function place(finding: Finding): Markup {
  const at = finding.location;
  const parts = [
    at?.member === undefined ? '' : `inside ${clip(at.member, 300)}`,
    at?.line === undefined ? '' : `line ${at.line}`,
    at?.tensor === undefined ? '' : `tensor ${clip(at.tensor, 300)}`,
    at?.key === undefined ? '' : `key ${clip(at.key, 300)}`,
    at?.byteOffset === undefined ? '' : `byte ${at.byteOffset.toLocaleString('en-US')}`,
    at?.byteLength === undefined ? '' : `${at.byteLength.toLocaleString('en-US')} bytes long`,
  ].filter((part) => part !== '');
  return html`<p class="where">${clip(finding.path, 400)}${parts.map((part) => html` · ${part}`)}</p>`;
}

function states(finding: Finding): Markup {
  const notes: Markup[] = [];
  const { suppression, baselineState } = finding;
  if (suppression !== undefined) {
    const until = suppression.expires === undefined ? '' : ` until ${suppression.expires}`;
    notes.push(
      html`<p class="state">Accepted${until} (${suppression.source}): ${suppression.reason}</p>`,
    );
  }
  if (baselineState === 'absent')
    notes.push(html`<p class="state">In the baseline, no longer found.</p>`);
  if (baselineState === 'unchanged')
    notes.push(html`<p class="state">Known from the baseline.</p>`);
  if (baselineState === 'new') notes.push(html`<p class="state">Not in the baseline.</p>`);
  if (baselineState === 'updated')
    notes.push(html`<p class="state">In the baseline at a lower level.</p>`);
  return html`${notes}`;
}

function taxa(finding: Finding, context: ReportContext): Markup {
  if (finding.taxa.length === 0) return NOTHING;
  const links = finding.taxa.map((id) => {
    const taxon = findTaxon(id, context.taxonomies);
    if (taxon === undefined) return html`<span class="chip plain">${id}</span>`;
    return html`<a class="chip plain" href="${taxon.uri}" rel="noreferrer noopener" title="${taxon.name}">${id}</a>`;
  });
  return html`<div class="taxa">${links}</div>`;
}

function aboutRule(rule: Rule | undefined): Markup {
  if (rule === undefined || rule.markdown === '') return NOTHING;
  return html`<details><summary>About rule ${rule.id} ${rule.name}</summary>${markdown(rule.markdown)}</details>`;
}

function evidenceOf(finding: Finding, target: TargetResult): Markup {
  const trigger = triggerOf(finding);
  if (trigger !== undefined) return triggerSection(trigger, featuresOf(trigger, target));
  const features = finding.evidence.flatMap((fact) => (fact.kind === 'causal-feature' ? fact : []));
  const [only, ...others] = features;
  if (only !== undefined && others.length === 0) return featureEffects(only);
  if (only !== undefined) return causalPlot(features);
  const total = finding.evidenceTotal ?? finding.evidence.length;
  return html`${spectra(finding.evidence)}${factTable(finding.evidence, total)}`;
}

function rawEvidence(finding: Finding): Markup {
  if (finding.evidence.length === 0) return NOTHING;
  const json = clip(jsonText(finding.evidence.slice(0, 10), 2000), MAX_JSON);
  return html`<details><summary>Evidence as JSON</summary><pre>${json.replaceAll('},{', '},\n{')}</pre></details>`;
}

export function findingCard(
  finding: Finding,
  target: TargetResult,
  context: ReportContext,
  anchor: string,
): Markup {
  const rule = context.rules.find((candidate) => candidate.id === finding.ruleId);
  const todo =
    rule === undefined
      ? NOTHING
      : html`<section class="block todo"><h4>What to do</h4>${rule.remediation}</section>`;
  return html`<article class="card ${finding.level}" id="${anchor}">
<header><span class="chip ${finding.level}">${finding.level}</span><span class="chip plain">${finding.ruleId} ${finding.ruleName}</span></header>
<h3>${rule?.title ?? finding.ruleName}</h3>
<p class="message">${finding.message}</p>${place(finding)}${states(finding)}
${evidenceOf(finding, target)}
${todo}${taxa(finding, context)}
${aboutRule(rule)}${rawEvidence(finding)}
<p class="where">Fingerprint ${finding.fingerprint}</p>
</article>`;
}
