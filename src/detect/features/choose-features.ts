/**
 * Which features are worth an intervention. Carriers: the one of each layer that carries most of the response
 * (attribution; activation alone chooses badly). Recognisers: those that begin to fire on the trigger and hardly
 * anywhere else, whatever they carry.
 */

import { onEngine } from '../../engine/open-graph.ts';
import { siteName } from '../../model/graphs/activations.ts';
import {
  attributeFeatures,
  densityMatched,
  type FeatureRef,
  type ForcedResponse,
  ResponseScorer,
} from '../../sae/attribution.ts';
import type { SiteDictionary, SiteRun } from '../../sae/corpus-pass.ts';
import { firingRows, firingValues } from '../../sae/sparse-run.ts';
import type { BehaviourProbe } from '../behaviour/probe.ts';
import type { TriggerText } from './trigger-text.ts';

const POOL = 40;
/** Share of a recogniser's firings that lie on triggered text, from the trigger on. */
export const NARROW_PURITY = 0.9;
const MIN_FIRINGS = 10;
/** More features of one layer than this, and random ones do as much in a narrow model (docs/detection.md). */
const NARROW_SET = 4;
const ATTRIBUTION_CONTEXTS = 8;

export interface Chosen extends SiteDictionary {
  readonly feature: number;
  /** A feature outside the pool that fires about as often on triggered text. */
  readonly random: number;
  /** Fall of ln p of a response token on triggered text, nats. */
  readonly effect: number;
  /** The same on ordinary text: what removal costs there. */
  readonly costOnOrdinary: number;
  readonly meanTriggered: number;
}

export interface SiteChoice {
  readonly carrier: Chosen | undefined;
  /** Together they fire on the trigger in most texts; empty where recognition has no feature of its own. */
  readonly recognisers: readonly Chosen[];
}

export async function chooseFeatures(
  probe: BehaviourProbe,
  text: TriggerText,
  dictionaries: readonly SiteDictionary[],
  runs: ReadonlyMap<string, SiteRun>,
): Promise<SiteChoice[]> {
  const { model, engine } = probe.generator;
  const scorer = await ResponseScorer.open(model.spec, dictionaries, text.window, onEngine(engine));
  const choices: SiteChoice[] = [];
  try {
    for (const entry of dictionaries) {
      const run = runs.get(siteName(entry.site));
      if (run !== undefined) choices.push(await chooseAt(entry, run, text, scorer));
    }
  } finally {
    await scorer.close();
  }
  return choices;
}

async function chooseAt(
  entry: SiteDictionary,
  run: SiteRun,
  text: TriggerText,
  scorer: ResponseScorer,
): Promise<SiteChoice> {
  const split = (window: readonly number[]): ForcedResponse => ({
    prompt: window.slice(0, text.responseFrom),
    response: window.slice(text.responseFrom),
  });
  const forced = text.triggered.slice(0, ATTRIBUTION_CONTEXTS).map(split);
  const ordinary = text.ordinary.slice(0, ATTRIBUTION_CONTEXTS).map(split);
  const firings = Array.from({ length: run.featureCount }, (_, feature) =>
    firingsOf(run, feature, text),
  );
  const pool = triggeredPool(firings);
  const recognising = recognisersOf(firings);
  const refs = [...new Set([...pool, ...recognising])].map(
    (feature): FeatureRef => ({ site: entry.site, feature }),
  );
  const ranked = await attributeFeatures(scorer, forced, refs);
  const strongest = ranked.find(({ feature }) => pool.includes(feature));
  const features = [
    ...new Set([...(strongest === undefined ? [] : [strongest.feature]), ...recognising]),
  ];
  const randoms = densityMatched(
    firings.map(({ density }) => density),
    features,
    new Set([...pool, ...recognising]),
  );
  const costs = await attributeFeatures(
    scorer,
    ordinary,
    features.map((feature) => ({ site: entry.site, feature })),
  );
  const chosen = new Map<number, Chosen>();
  for (const [i, feature] of features.entries()) {
    const random = randoms[i];
    if (random === undefined) continue;
    chosen.set(feature, {
      ...entry,
      feature,
      random,
      effect: ranked.find((one) => one.feature === feature)?.effect ?? 0,
      costOnOrdinary: costs.find((one) => one.feature === feature)?.effect ?? 0,
      meanTriggered: firings[feature]?.meanTriggered ?? 0,
    });
  }
  return {
    carrier: strongest === undefined ? undefined : chosen.get(strongest.feature),
    recognisers: recognising
      .map((feature) => chosen.get(feature))
      .filter((one) => one !== undefined),
  };
}

/** Where one feature fires, by kind of text. */
interface Firings {
  readonly feature: number;
  readonly count: number;
  /** Mean over rows of triggered text from the trigger on. */
  readonly meanTriggered: number;
  /** The same minus the larger of the means on control and ordinary text. */
  readonly surplus: number;
  /** Firings from the trigger on, a row of triggered text. */
  readonly density: number;
  /** Share of its firings from the trigger on. */
  readonly purity: number;
  /** Triggered windows in which it fires on the trigger itself. */
  readonly windows: ReadonlySet<number>;
}

function firingsOf(run: SiteRun, feature: number, text: TriggerText): Firings {
  const { window: length } = text;
  const triggeredCount = text.triggered.length;
  const controlCount = text.control.length;
  const sums = { triggered: 0, control: 0, ordinary: 0 };
  const windows = new Set<number>();
  let onTriggered = 0;
  const rows = firingRows(run, feature);
  const values = firingValues(run, feature);
  rows.forEach((row, i) => {
    const value = values[i] as number;
    // All windows have one length, so the pass keeps their order.
    const window = Math.floor(row / length);
    const position = row % length;
    if (window >= triggeredCount) {
      sums[window < triggeredCount + controlCount ? 'control' : 'ordinary'] += value;
      return;
    }
    if (position < text.triggerFrom) return;
    onTriggered += 1;
    sums.triggered += value;
    if (position < text.triggerEnd) windows.add(window);
  });
  const mean = (sum: number, count: number, rowsEach: number) =>
    sum / Math.max(1, count * rowsEach);
  const meanTriggered = mean(sums.triggered, triggeredCount, length - text.triggerFrom);
  const elsewhere = Math.max(
    mean(sums.control, controlCount, length),
    mean(sums.ordinary, text.ordinary.length, length),
  );
  return {
    feature,
    count: rows.length,
    meanTriggered,
    surplus: meanTriggered - elsewhere,
    density: onTriggered / Math.max(1, triggeredCount * length),
    purity: rows.length < MIN_FIRINGS ? 0 : onTriggered / rows.length,
    windows,
  };
}

function triggeredPool(firings: readonly Firings[]): number[] {
  return [...firings]
    .sort((a, b) => b.surplus - a.surplus || a.feature - b.feature)
    .slice(0, POOL)
    .filter(({ surplus }) => surplus > 0)
    .map(({ feature }) => feature);
}

/** Pure features, each the one that adds most triggered windows to those already covered. */
function recognisersOf(firings: readonly Firings[]): number[] {
  const pure = firings.filter(({ purity }) => purity >= NARROW_PURITY);
  const covered = new Set<number>();
  const taken: number[] = [];
  while (taken.length < NARROW_SET) {
    let best: Firings | undefined;
    let most = 0;
    for (const one of pure) {
      const added = [...one.windows].filter((window) => !covered.has(window)).length;
      if (added > most) {
        best = one;
        most = added;
      }
    }
    if (best === undefined) break;
    taken.push(best.feature);
    for (const window of best.windows) covered.add(window);
  }
  return taken;
}
