/** Charts as inline SVG: shares with intervals, effect by layer, and spectra. Geometry is in attributes, colour in classes. */
import { html, type Markup, NOTHING } from './markup.ts';

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export type Series = 'hot' | 'control' | 'suff';

export interface IntervalRow extends Interval {
  readonly label: string;
  readonly detail: string;
  readonly series: Series;
}

const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);

export function isInterval(value: Partial<Interval> | undefined): value is Interval {
  return isNumber(value?.mean) && isNumber(value?.low) && isNumber(value?.high);
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const fixed = (value: number): string => value.toFixed(1);

function scale(from: number, to: number, start: number, end: number): (value: number) => number {
  const span = to - from || 1;
  return (value) => start + ((Math.min(to, Math.max(from, value)) - from) / span) * (end - start);
}

/** Shares on one axis from 0 to 100 %, one row each: bar, mean and 95 % interval. */
export function intervalChart(rows: readonly IntervalRow[], caption: string): Markup {
  const usable = rows.filter(isInterval);
  if (usable.length === 0) return NOTHING;
  const rowHeight = 40;
  const height = usable.length * rowHeight + 26;
  const x = scale(0, 1, 230, 850);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (tick) =>
      html`<line class="grid" x1="${fixed(x(tick))}" x2="${fixed(x(tick))}" y1="0" y2="${height - 22}"/><text x="${fixed(x(tick))}" y="${height - 6}" text-anchor="middle">${percent(tick)}</text>`,
  );
  const drawn = usable.map((row, index) => {
    const y = index * rowHeight + rowHeight / 2;
    const width = Math.max(0.5, x(row.mean) - x(0));
    return html`<g class="s-${row.series}"><text class="strong" x="214" y="${y - 1}" text-anchor="end">${row.label}</text><text x="214" y="${y + 13}" text-anchor="end">${row.detail}</text><rect x="${fixed(x(0))}" y="${y - 7}" width="${fixed(width)}" height="14" rx="3" fill-opacity=".22" stroke="none"/><line x1="${fixed(x(row.low))}" x2="${fixed(x(row.high))}" y1="${y}" y2="${y}" stroke-width="2.5"/><circle cx="${fixed(x(row.mean))}" cy="${y}" r="5"/><text class="strong" x="866" y="${y + 4}">${`${(row.mean * 100).toFixed(1)} %`}</text></g>`;
  });
  return html`<svg viewBox="0 0 940 ${height}" role="img" aria-label="${caption}">${ticks}${drawn}</svg>`;
}

export interface LayerPoint {
  readonly label: string;
  readonly effects: readonly (Interval & { readonly series: Series })[];
}

/** Effect of an intervention at each layer, against matched random features: what carries the behaviour, and where. */
export function layerChart(points: readonly LayerPoint[], caption: string): Markup {
  const usable = points.filter((point) => point.effects.some(isInterval));
  if (usable.length === 0) return NOTHING;
  const values = usable.flatMap((point) => point.effects.flatMap(({ low, high }) => [low, high]));
  const bottom = Math.min(0, Math.max(-0.5, ...[Math.min(...values)]));
  const top = Math.min(1.5, Math.max(1, Math.max(...values)));
  const y = scale(bottom, top, 210, 12);
  const step = 860 / usable.length;
  const xOf = (index: number, order: number, count: number): number =>
    64 + step * (index + 0.5) + (order - (count - 1) / 2) * Math.min(16, step / 5);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (tick) =>
      html`<line class="${tick === 0 ? 'axis' : 'grid'}" x1="58" x2="926" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"/><text x="50" y="${fixed(y(tick) + 4)}" text-anchor="end">${percent(tick)}</text>`,
  );
  const curves = (['hot', 'suff', 'control'] as const).map((series) => {
    const line = usable.flatMap((point, index) => {
      const order = point.effects.findIndex((item) => item.series === series && isInterval(item));
      const effect = point.effects[order];
      if (effect === undefined) return [];
      return [`${fixed(xOf(index, order, point.effects.length))},${fixed(y(effect.mean))}`];
    });
    return line.length < 2
      ? NOTHING
      : html`<polyline class="s-${series} curve" points="${line.join(' ')}" stroke-width="1.5" stroke-opacity=".45"/>`;
  });
  const drawn = usable.map((point, index) => {
    const center = xOf(index, 0, 1);
    const marks = point.effects.filter(isInterval).map((effect, order) => {
      const x = xOf(index, order, point.effects.length);
      return html`<g class="s-${effect.series}"><line x1="${fixed(x)}" x2="${fixed(x)}" y1="${fixed(y(effect.low))}" y2="${fixed(y(effect.high))}" stroke-width="2"/><circle class="${effect.series === 'control' ? 'open' : ''}" cx="${fixed(x)}" cy="${fixed(y(effect.mean))}" r="4.5" stroke-width="1.8"/></g>`;
    });
    return html`${marks}<text x="${fixed(center)}" y="234" text-anchor="middle">${point.label}</text>`;
  });
  return html`<svg viewBox="0 0 940 244" role="img" aria-label="${caption}">${ticks}${curves}${drawn}</svg>`;
}

export interface SpectrumSeries {
  readonly values: readonly number[];
  readonly series: Series;
}

/** Singular values by rank on a logarithmic axis; a planted low-rank change stands out as a few values far above the rest. */
export function spectrumChart(all: readonly SpectrumSeries[], caption: string): Markup {
  const usable = all.map(({ values, series }) => ({
    series,
    values: values.filter((value) => isNumber(value) && value > 0).slice(0, 512),
  }));
  const logs = usable.flatMap(({ values }) => values.map(Math.log10));
  if (logs.length < 2) return NOTHING;
  const bottom = Math.floor(Math.min(...logs) * 2) / 2;
  const top = Math.ceil(Math.max(...logs) * 2) / 2;
  const longest = Math.max(...usable.map(({ values }) => values.length));
  const x = scale(0, Math.max(1, longest - 1), 64, 920);
  const y = scale(bottom, top, 190, 12);
  const ticks = [bottom, (bottom + top) / 2, top].map(
    (tick) =>
      html`<line class="grid" x1="58" x2="926" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"/><text x="50" y="${fixed(y(tick) + 4)}" text-anchor="end">${(10 ** tick).toPrecision(2)}</text>`,
  );
  const curves = usable.map(({ values, series }) => {
    const points = values.map((value, rank) => `${fixed(x(rank))},${fixed(y(Math.log10(value)))}`);
    const dots = values
      .slice(0, 24)
      .map(
        (value, rank) =>
          html`<circle cx="${fixed(x(rank))}" cy="${fixed(y(Math.log10(value)))}" r="2.6"/>`,
      );
    return html`<g class="s-${series}"><polyline class="curve" points="${points.join(' ')}" stroke-width="1.8"/>${dots}</g>`;
  });
  return html`<svg viewBox="0 0 940 220" role="img" aria-label="${caption}">${ticks}${curves}<text x="64" y="212">largest</text><text x="920" y="212" text-anchor="end">rank ${longest}</text></svg>`;
}
