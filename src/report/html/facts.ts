/** Evidence of any kind as a table, so that a new detector's numbers show without a change here; spectra as plots. */
import type { Evidence } from '../../evidence/evidence.ts';
import { clip } from '../safe-text.ts';
import { type SpectrumSeries, spectrumChart } from './charts.ts';
import { html, type Markup, NOTHING } from './markup.ts';
import { numberText } from './trigger.ts';

const MAX_ROWS = 25;
const HIDDEN: ReadonlySet<string> = new Set(['kind', 'path', 'location', 'samples']);

function numbersIn(value: unknown): readonly number[] | undefined {
  if (!Array.isArray(value) || value.length < 2) return undefined;
  return value.every((item) => typeof item === 'number') ? (value as number[]) : undefined;
}

function cell(value: unknown): Markup {
  if (value === undefined || value === null) return html`–`;
  if (typeof value === 'number') return html`${numberText(value)}`;
  if (typeof value === 'boolean') return html`${value ? 'yes' : 'no'}`;
  if (typeof value === 'string') return html`<code class="lit">${clip(value, 300)}</code>`;
  const numbers = numbersIn(value);
  if (numbers !== undefined && numbers.length <= 8) {
    return html`${numbers.map(numberText).join(', ')}`;
  }
  if (Array.isArray(value)) {
    const shown = value.slice(0, 8).map((item) => html`<div>${cell(item)}</div>`);
    return html`${shown}${value.length > 8 ? html`<div>and ${value.length - 8} more</div>` : NOTHING}`;
  }
  return html`<code class="lit">${clip(JSON.stringify(value), 300)}</code>`;
}

/** `tensorName` to `Tensor name`. */
function heading(key: string): string {
  const words = key.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const isPlotted = (key: string): boolean => /singularvalues$|spectrum$/i.test(key);

/** Facts that carry `singularValues` (and those of a reference) get a plot of them. */
export function spectra(facts: readonly Evidence[]): Markup {
  const plots = facts.slice(0, 6).flatMap((fact) => {
    const fields = Object.entries(fact).filter(([key]) => isPlotted(key));
    const series = fields.flatMap(([key, value]): SpectrumSeries[] => {
      const values = numbersIn(value);
      const isReference = /reference|base|null|control/i.test(key);
      return values === undefined ? [] : [{ values, series: isReference ? 'control' : 'hot' }];
    });
    const name = 'tensor' in fact && typeof fact.tensor === 'string' ? fact.tensor : fact.path;
    const chart = spectrumChart(series, 'Singular values by rank, logarithmic');
    if (series.length === 0 || chart === NOTHING) return [];
    return html`<section class="block"><h4>Spectrum <small>singular values of ${clip(name, 120)}, logarithmic${series.some((item) => item.series === 'control') ? '; grey: reference' : ''}</small></h4>${chart}</section>`;
  });
  return html`${plots}`;
}

/** One fact as pairs, several of one kind as a table. */
export function factTable(facts: readonly Evidence[], total: number): Markup {
  const first = facts[0];
  if (first === undefined) return NOTHING;
  const keys = [...new Set(facts.slice(0, MAX_ROWS).flatMap((fact) => Object.keys(fact)))].filter(
    (key) => !HIDDEN.has(key) && !isPlotted(key),
  );
  if (keys.length === 0) return NOTHING;
  if (facts.length === 1) {
    const pairs = Object.entries(first).filter(([key]) => keys.includes(key));
    return html`<section class="block"><h4>Evidence</h4><dl class="facts">${pairs.map(
      ([key, value]) => html`<div><dt>${heading(key)}</dt><dd>${cell(value)}</dd></div>`,
    )}</dl></section>`;
  }
  const rows = facts.slice(0, MAX_ROWS).map((fact) => {
    const values = new Map<string, unknown>(Object.entries(fact));
    return html`<tr>${keys.map((key) => html`<td>${cell(values.get(key))}</td>`)}</tr>`;
  });
  const more =
    total > rows.length
      ? html`<p class="legend">${total - rows.length} more in the result JSON.</p>`
      : NOTHING;
  return html`<section class="block"><h4>Evidence <small>${total} facts</small></h4><div class="scroll"><table><thead><tr>${keys.map(
    (key) => html`<th>${heading(key)}</th>`,
  )}</tr></thead><tbody>${rows}</tbody></table></div>${more}</section>`;
}
