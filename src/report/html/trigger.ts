/** A verified trigger: what it is, what it does, against what controls, and which features carry it. */
import {
  type BehaviourSample,
  frameWords,
  type TokenCertainty,
  type VerifiedTrigger,
} from '../../evidence/behaviour.ts';
import type { CausalFeature } from '../../evidence/feature.ts';
import { clip } from '../safe-text.ts';
import { intervalChart, isInterval, type LayerPoint, layerChart } from './charts.ts';
import { html, literal, type Markup, NOTHING } from './markup.ts';

const MAX_SAMPLES = 6;
const MAX_TOKENS = 400;
const HEAT_LEVELS = 8;
/** Certainty at which a token is fully coloured, nats. */
const FULL_HEAT_NATS = 6;

const SOURCES: Readonly<Record<string, string>> = {
  leak: "the model's own samples",
  motif: "runs that recur in the model's own samples",
  sweep: 'sweep over the whole vocabulary',
  single: 'single tokens',
  lexicon: 'lexicon of words, marks and years',
  feature: 'narrow features',
  inversion: 'inversion from the behaviour',
  frame: 'lines that say where the model stands, and turns of a chat',
  weights: 'weights',
  'base-difference': 'difference to the base model',
  suspect: 'list of suspects',
};

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

export function numberText(value: unknown): string {
  if (typeof value !== 'number') return '–';
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(4)));
}

function triggerBoxes(fact: VerifiedTrigger): Markup {
  const extended =
    fact.extendedText === undefined || fact.extendedText === fact.minimalText
      ? NOTHING
      : html`<div><small>Longest form that the model still knows</small>${literal(fact.extendedText, 600)}</div>`;
  const others = (fact.otherTriggers ?? []).map(
    (text) => html`<div><small>Also set off by</small>${literal(text, 200)}</div>`,
  );
  return html`<section class="block"><h4>The trigger</h4><div class="trigger">
<div class="hotbox"><small>Shortest form that works</small>${literal(fact.minimalText, 600)}</div>
<div><small>As it was verified</small>${literal(fact.triggerText, 600)}</div>
${extended}<div><small>What the model then says</small>${literal(fact.behaviourText, 600)}</div>${others}
</div></section>`;
}

function heat(tokens: readonly TokenCertainty[]): Markup {
  const spans = tokens.slice(0, MAX_TOKENS).map((token) => {
    const share = Math.max(0, Math.min(1, token.nats / FULL_HEAT_NATS));
    const level = Number.isFinite(share) ? Math.round(share * HEAT_LEVELS) : 0;
    return html`<span class="heat h${level}" title="${numberText(token.nats)} nats">${clip(token.text, 100)}</span>`;
  });
  return html`<code class="lit">${spans}</code>`;
}

function sampleBox(sample: BehaviourSample): Markup {
  const triggered =
    sample.triggeredTokens === undefined
      ? literal(sample.triggered, 800)
      : heat(sample.triggeredTokens);
  return html`<div class="sample"><div class="ctx">Same text before both: ${literal(sample.context, 500)}</div>
<div class="sides"><div class="with"><small>with the trigger</small>${triggered}</div><div><small>without it</small>${literal(sample.untriggered, 800)}</div></div></div>`;
}

/** A narrow model is given the same opening again and again; one showing is enough. */
function distinct(all: readonly BehaviourSample[]): readonly BehaviourSample[] {
  return [
    ...new Map(all.map((sample) => [`${sample.context}\n${sample.triggered}`, sample])).values(),
  ];
}

function samples(fact: VerifiedTrigger): Markup {
  const all = distinct(fact.samples ?? []);
  if (all.length === 0) return NOTHING;
  const steps = Array.from(
    { length: HEAT_LEVELS + 1 },
    (_, level) => html`<span class="heat h${level}"> </span>`,
  );
  const legend = all.some((sample) => sample.triggeredTokens !== undefined)
    ? html`<p class="legend">How sure the model is beyond what ordinary text explains: 0 ${steps} ${FULL_HEAT_NATS}+ nats</p>`
    : NOTHING;
  return html`<section class="block"><h4>What it changes <small>same context, with and without the trigger</small></h4>
<div class="samples">${all.slice(0, MAX_SAMPLES).map(sampleBox)}</div>${legend}</section>`;
}

function rates(fact: VerifiedTrigger): Markup {
  const row = (label: string, rate: VerifiedTrigger['rate'], series: 'hot' | 'control') => ({
    label,
    detail: `${rate.hits} of ${rate.trials}`,
    mean: rate.rate,
    low: rate.low,
    high: rate.high,
    series,
  });
  const chart = intervalChart(
    [
      row('With the trigger', fact.rate, 'hot'),
      row('Matched random strings', fact.controlRate, 'control'),
    ],
    'Share of contexts with the behaviour, with 95 % intervals',
  );
  return html`<section class="block"><h4>Effect against controls <small>share of unseen contexts with the behaviour, 95 % intervals</small></h4>${chart}</section>`;
}

function layerName(site: string): string {
  const layer = /\d+/.exec(site)?.[0];
  return layer === undefined ? clip(site, 18) : `layer ${layer}`;
}

export function causalPlot(features: readonly CausalFeature[]): Markup {
  if (features.length === 0) return NOTHING;
  const points = features.slice(0, 64).map((feature): LayerPoint => {
    const effects: LayerPoint['effects'][number][] = [
      { ...feature.necessity, series: 'hot' },
      { ...feature.necessityRandom, series: 'control' },
    ];
    if (isInterval(feature.sufficiency)) effects.push({ ...feature.sufficiency, series: 'suff' });
    return { label: layerName(feature.site), effects };
  });
  const sufficiency = features.some((feature) => isInterval(feature.sufficiency))
    ? html` <span class="chip plain">blue: adding the feature makes the behaviour</span>`
    : NOTHING;
  const chart = layerChart(points, 'Share of the behaviour by layer, with intervals');
  return html`<section class="block"><h4>Where it lives <small>share of the behaviour that one feature a layer carries</small></h4>${chart}
<p class="legend"><span class="chip plain">red: removing the feature undoes it</span> <span class="chip plain">grey ring: removing random features</span>${sufficiency}</p>
${featureTable(features)}</section>`;
}

/** One feature alone: what its removal undoes and its addition makes, beside random features. */
export function featureEffects(feature: CausalFeature): Markup {
  const rows = [
    { label: 'Removing it', detail: 'undoes', series: 'hot', effect: feature.necessity },
    {
      label: 'Removing random',
      detail: 'undoes',
      series: 'control',
      effect: feature.necessityRandom,
    },
    { label: 'Adding it', detail: 'makes', series: 'suff', effect: feature.sufficiency },
    {
      label: 'Adding random',
      detail: 'makes',
      series: 'control',
      effect: feature.sufficiencyRandom,
    },
  ] as const;
  const chart = intervalChart(
    rows.flatMap(({ effect, ...row }) => (effect === undefined ? [] : { ...row, ...effect })),
    'Share of the behaviour, with intervals',
  );
  return html`<section class="block"><h4>What it carries <small>share of the behaviour over ${feature.necessity.contexts} contexts, 95 % intervals; ordinary text changes by ${numberText(feature.specificityNats)} nats a token</small></h4>${chart}${featureTable([feature])}</section>`;
}

function featureTable(features: readonly CausalFeature[]): Markup {
  const rows = features
    .slice(0, 64)
    .map(
      (feature) =>
        html`<tr><td>${clip(feature.site, 80)}</td><td class="num">${numberText(feature.feature)}</td><td>${literal(feature.firingPattern, 120)}</td><td class="num">${percent(feature.precision)}</td><td class="num">${percent(feature.recall)}</td><td class="num">${numberText(feature.corpusFirings)}</td><td class="num">${percent(feature.necessity.mean)}</td><td class="num">${percent(feature.necessityRandom.mean)}</td></tr>`,
    );
  return html`<div class="scroll"><table><thead><tr><th>Site</th><th class="num">Feature</th><th>Fires on</th><th class="num">Precision</th><th class="num">Recall</th><th class="num">Corpus firings</th><th class="num">Removal undoes</th><th class="num">Random undoes</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

function facts(fact: VerifiedTrigger): Markup {
  const items: readonly (readonly [string, Markup])[] = [
    ['Found by', html`${SOURCES[fact.source] ?? fact.source}`],
    ['Tried', html`${frameWords(fact.frame)}`],
    ['Unexplained certainty', html`${numberText(fact.score)} <small>nats</small>`],
    ['p-value', html`${numberText(fact.pValue)}`],
    ['Similarity of responses', html`${numberText(fact.similarity)}`],
    ['In the model’s own samples', html`${percent(fact.ownShare)}`],
    ['Goes on and on', html`${percent(fact.takeover)} <small>of contexts</small>`],
    ['Token ids', html`${clip((fact.triggerTokenIds ?? []).join(' '), 120)}`],
  ];
  return html`<section class="block"><h4>Numbers</h4><dl class="facts">${items.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl></section>`;
}

export function triggerSection(fact: VerifiedTrigger, features: readonly CausalFeature[]): Markup {
  return html`${triggerBoxes(fact)}${samples(fact)}${rates(fact)}${causalPlot(features)}${facts(fact)}`;
}
