/**
 * The causal check of a verified trigger. Features are chosen by what they carry (attribution), never by activation
 * alone, one a layer; each is held against a feature of like density, and a raw direction shows what the dictionary
 * misses. Text for choosing and text for testing are different contexts.
 */

import { onEngine } from '../../engine/open-graph.ts';
import type { VerifiedTrigger } from '../../evidence/behaviour.ts';
import type { NotCovered } from '../../evidence/evidence.ts';
import type { CausalFeature, CausalFeatureSet, FeatureEvidence } from '../../evidence/feature.ts';
import { siteName } from '../../model/graphs/activations.ts';
import {
  attributeFeatures,
  densityMatched,
  type FeatureRef,
  type ForcedResponse,
  ResponseScorer,
} from '../../sae/attribution.ts';
import { runCorpus, type SiteDictionary, type SiteRun } from '../../sae/corpus-pass.ts';
import { type Edit, editVisitor, featureFeeds } from '../../sae/edits.ts';
import { firingRows, firingValues } from '../../sae/sparse-run.ts';
import { CorpusIndex, patternFit, profileFeature } from '../../sae/statistics.ts';
import type { BehaviourProbe, ProbeProgress } from '../behaviour/probe.ts';
import { wilson } from '../behaviour/statistics.ts';
import { dictionariesFor } from './dictionaries.ts';
import { directionEvidence } from './directions.ts';
import {
  type Bench,
  type EditedRuns,
  isMeasurable,
  necessity,
  openBench,
  sufficiency,
} from './intervene.ts';
import { type TriggerText, triggerText, WINDOW } from './trigger-text.ts';

export interface CauseInput {
  readonly probe: BehaviourProbe;
  readonly triggers: readonly VerifiedTrigger[];
  readonly path: string;
  readonly quick: boolean;
  readonly sae?: string;
  readonly progress: ProbeProgress;
}

export interface CauseResult {
  readonly evidence: readonly FeatureEvidence[];
  readonly notCovered: readonly NotCovered[];
}

const POOL = 40;
/** Share of a narrow feature's firings that lie on triggered text, from the trigger on. */
const NARROW_PURITY = 0.9;
const MIN_FIRINGS = 10;
/** More features of one layer than this, and random ones do as much in a narrow model (docs/detection.md). */
const NARROW_SET = 4;
const ATTRIBUTION_CONTEXTS = 8;

export async function explainCauses(input: CauseInput): Promise<CauseResult> {
  const evidence: FeatureEvidence[] = [];
  const notCovered: NotCovered[] = [];
  for (const [done, trigger] of input.triggers.entries()) {
    input.progress(
      `features behind ${JSON.stringify(trigger.minimalText)}`,
      done,
      input.triggers.length,
    );
    const one = await explainOne(input, trigger);
    evidence.push(...one.evidence);
    notCovered.push(...one.notCovered);
  }
  return { evidence, notCovered };
}

async function explainOne(input: CauseInput, fact: VerifiedTrigger): Promise<CauseResult> {
  const { probe, quick, path } = input;
  const trigger = fact.triggerTokenIds;
  const text = await triggerText(probe, trigger, {
    contexts: quick ? 48 : 96,
    ordinary: quick ? 160 : 320,
  });
  const windows = [...text.triggered, ...text.control, ...text.ordinary];
  const set = await dictionariesFor(probe, windows, input);
  const runs = await runCorpus(probe.generator.model.spec, set.dictionaries, windows, {
    skip: probe.generator.model.tokenizer.special,
    open: onEngine(probe.generator.engine),
  });
  const chosen = await chooseFeatures(probe, text, set.dictionaries, runs);
  const edited = editedRuns(probe, set.dictionaries);
  const bench = await openBench(edited, trigger, quick ? 16 : 32);
  if (!isMeasurable(bench)) {
    const why =
      'under greedy decoding the behaviour is too close to ordinary text to take shares of';
    const what = `causal check of ${JSON.stringify(fact.minimalText)}`;
    return { evidence: set.evidence, notCovered: [...set.notCovered, { what, why }] };
  }
  const facts: FeatureEvidence[] = [...set.evidence];
  for (const one of strongestBySite(chosen)) {
    facts.push(await featureEvidence(edited, bench, runs, one, fact, path, text));
  }
  const sets = [strongestBySite(chosen), ...narrowSets(chosen)];
  for (const members of sets) {
    if (members.length > 0)
      facts.push(await setEvidence(edited, bench, runs, members, fact, path, text));
  }
  facts.push(
    ...(await directionEvidence(
      probe,
      text,
      set.dictionaries.map(({ site }) => site),
      bench,
      fact,
      path,
    )),
  );
  return { evidence: facts, notCovered: set.notCovered };
}

interface Chosen extends SiteDictionary {
  readonly feature: number;
  /** A feature outside the pool that fires about as often on triggered text. */
  readonly random: number;
  /** Fall of ln p of a response token on triggered text, nats. */
  readonly effect: number;
  /** Fall of ln p of a response token on ordinary text, nats: what removal costs there. */
  readonly narrow: boolean;
  readonly costOnOrdinary: number;
  readonly meanTriggered: number;
}

/**
 * For each site, the feature that carries most of the response and, where that one fires elsewhere too, the one that
 * carries most among those that fire on hardly anything but the trigger.
 */
async function chooseFeatures(
  probe: BehaviourProbe,
  text: TriggerText,
  dictionaries: readonly SiteDictionary[],
  runs: ReadonlyMap<string, SiteRun>,
): Promise<Chosen[]> {
  const { model, engine } = probe.generator;
  const scorer = await ResponseScorer.open(model.spec, dictionaries, WINDOW, onEngine(engine));
  const split = (window: readonly number[]): ForcedResponse => ({
    prompt: window.slice(0, text.responseFrom),
    response: window.slice(text.responseFrom),
  });
  const forced = text.triggered.slice(0, ATTRIBUTION_CONTEXTS).map(split);
  const ordinary = text.ordinary.slice(0, ATTRIBUTION_CONTEXTS).map(split);
  const chosen: Chosen[] = [];
  try {
    for (const entry of dictionaries) {
      const run = runs.get(siteName(entry.site));
      if (run === undefined) continue;
      const { pool, means, densities, purity } = triggeredPool(run, text);
      const refs = pool.map((feature): FeatureRef => ({ site: entry.site, feature }));
      const ranked = await attributeFeatures(scorer, forced, refs);
      const [carrier] = ranked;
      const isNarrow = ({ feature }: FeatureRef) => (purity[feature] ?? 0) >= NARROW_PURITY;
      const narrow = ranked.filter((ref) => isNarrow(ref) && ref.effect > 0).slice(0, NARROW_SET);
      const both = [...new Set([carrier, ...narrow])].filter((ref) => ref !== undefined);
      const randoms = densityMatched(
        densities,
        both.map(({ feature }) => feature),
        new Set(pool),
      );
      for (const [i, best] of both.entries()) {
        const random = randoms[i];
        if (random === undefined) continue;
        const [cost] = await attributeFeatures(scorer, ordinary, [best]);
        chosen.push({
          ...entry,
          feature: best.feature,
          random,
          effect: best.effect,
          narrow: isNarrow(best),
          costOnOrdinary: cost?.effect ?? 0,
          meanTriggered: means[best.feature] ?? 0,
        });
      }
    }
  } finally {
    await scorer.close();
  }
  return chosen;
}

/** Features with the largest mean activation after the trigger minus that on any other text. */
function triggeredPool(
  run: SiteRun,
  text: TriggerText,
): { pool: number[]; means: Float32Array; densities: Float32Array; purity: Float32Array } {
  const triggeredWindows = text.triggered.length;
  const controlWindows = text.control.length;
  const means = new Float32Array(run.featureCount);
  const densities = new Float32Array(run.featureCount);
  const purity = new Float32Array(run.featureCount);
  const surplus: number[] = [];
  for (let feature = 0; feature < run.featureCount; feature++) {
    const sums = [0, 0, 0];
    let onTrigger = 0;
    const rows = firingRows(run, feature);
    const values = firingValues(run, feature);
    rows.forEach((row, i) => {
      const window = Math.floor(row / WINDOW);
      const group =
        window < triggeredWindows ? 0 : window < triggeredWindows + controlWindows ? 1 : 2;
      if (group === 0 && row % WINDOW < text.triggerFrom) return;
      if (group === 0) onTrigger += 1;
      sums[group] = (sums[group] as number) + (values[i] as number);
    });
    const after = (sums[0] as number) / (triggeredWindows * (WINDOW - text.triggerFrom));
    const control = (sums[1] as number) / Math.max(1, controlWindows * WINDOW);
    const ordinary = (sums[2] as number) / Math.max(1, text.ordinary.length * WINDOW);
    means[feature] = after;
    densities[feature] = onTrigger / Math.max(1, triggeredWindows * WINDOW);
    purity[feature] = rows.length < MIN_FIRINGS ? 0 : onTrigger / rows.length;
    surplus.push(after - Math.max(control, ordinary));
  }
  const order = surplus
    .map((_, i) => i)
    .sort((a, b) => (surplus[b] as number) - (surplus[a] as number) || a - b);
  const pool = order.slice(0, POOL).filter((feature) => (surplus[feature] as number) > 0);
  return { pool, means, densities, purity };
}

function editedRuns(probe: BehaviourProbe, dictionaries: readonly SiteDictionary[]): EditedRuns {
  const edits = dictionaries.map((entry): Edit => ({ kind: 'features', ...entry }));
  const neutral = Object.assign(
    {},
    ...dictionaries.map(({ site, dictionary }) =>
      featureFeeds(site, dictionary.featureCount, [{}]),
    ),
  );
  return { probe, plan: probe.generator.editedPlan(editVisitor(edits)), neutral };
}

async function featureEvidence(
  edited: EditedRuns,
  bench: Bench,
  runs: ReadonlyMap<string, SiteRun>,
  chosen: Chosen,
  fact: VerifiedTrigger,
  path: string,
  text: TriggerText,
): Promise<CausalFeature> {
  const { site, dictionary, feature, random } = chosen;
  const remove = (index: number) =>
    featureFeeds(site, dictionary.featureCount, [{ remove: [index] }]);
  const push = (index: number) =>
    featureFeeds(site, dictionary.featureCount, [
      { add: new Map([[index, Math.max(chosen.meanTriggered, 0)]]) },
    ]);
  const run = runs.get(siteName(site)) as SiteRun;
  const index = new CorpusIndex(run.corpus);
  const profile = profileFeature(run, index, feature);
  const rows = firingRows(run, feature);
  const pattern = fact.triggerTokenIds.slice(-16);
  const fit = patternFit(run, index, feature, pattern, WINDOW - text.responseFrom);
  const onTriggered = rows.reduce(
    (count, row) => count + (row < text.triggered.length * WINDOW ? 1 : 0),
    0,
  );
  return {
    kind: 'causal-feature',
    path,
    site: siteName(site),
    feature,
    triggerText: fact.triggerText,
    firingPattern: edited.probe.text(profile?.best.pattern ?? pattern),
    precision: fit.precision,
    recall: fit.recall,
    corpusTokens: run.corpus.tokens.length,
    corpusFirings: rows.length,
    necessity: await necessity(edited, bench, remove(feature)),
    necessityRandom: await necessity(edited, bench, remove(random)),
    sufficiency: await sufficiency(edited, bench, push(feature)),
    sufficiencyRandom: await sufficiency(edited, bench, push(random)),
    specificityNats: Math.max(0, chosen.costOnOrdinary),
    firingRate: wilson(onTriggered, Math.max(1, rows.length)),
  };
}

function strongestBySite(chosen: readonly Chosen[]): Chosen[] {
  const bySite = new Map<string, Chosen>();
  for (const one of chosen) {
    const known = bySite.get(siteName(one.site));
    if (known === undefined || one.effect > known.effect) bySite.set(siteName(one.site), one);
  }
  return [...bySite.values()];
}

/** The narrow features of each layer; several of one layer, because recognition is spread. */
function narrowSets(chosen: readonly Chosen[]): Chosen[][] {
  return [...groupBySite(chosen.filter(({ narrow }) => narrow)).values()];
}

function groupBySite(chosen: readonly Chosen[]): Map<string, Chosen[]> {
  const bySite = new Map<string, Chosen[]>();
  for (const one of chosen) {
    const name = siteName(one.site);
    bySite.set(name, [...(bySite.get(name) ?? []), one]);
  }
  return bySite;
}

async function setEvidence(
  edited: EditedRuns,
  bench: Bench,
  runs: ReadonlyMap<string, SiteRun>,
  members: readonly Chosen[],
  fact: VerifiedTrigger,
  path: string,
  text: TriggerText,
): Promise<CausalFeatureSet> {
  const bySite = groupBySite(members);
  const feeds = (pick: (one: Chosen) => number) =>
    Object.assign(
      {},
      ...[...bySite.values()].map(([first, ...rest]) => {
        const { site, dictionary } = first as Chosen;
        const remove = [first as Chosen, ...rest].map(pick);
        return featureFeeds(site, dictionary.featureCount, [{ remove }]);
      }),
    );
  const [first] = members as [Chosen];
  const narrow = bySite.size === 1 && members.every((one) => one.narrow);
  const { precision, recall } = coverage(runs, members, text);
  return {
    kind: 'causal-feature-set',
    path,
    scope: narrow ? 'narrow' : 'carriers',
    site: bySite.size === 1 ? siteName(first.site) : 'several',
    triggerText: fact.triggerText,
    features: members.map(({ site, feature }) => `${siteName(site)}/${feature}`),
    firingPatterns: members.map(({ site, feature }) => {
      const run = runs.get(siteName(site)) as SiteRun;
      const profile = profileFeature(run, new CorpusIndex(run.corpus), feature);
      return edited.probe.text(profile?.best.pattern ?? []);
    }),
    precision,
    recall,
    corpusTokens: runs.get(siteName(first.site))?.corpus.tokens.length ?? 0,
    necessity: await necessity(
      edited,
      bench,
      feeds((one) => one.feature),
    ),
    necessityRandom: await necessity(
      edited,
      bench,
      feeds((one) => one.random),
    ),
  };
}

function coverage(
  runs: ReadonlyMap<string, SiteRun>,
  members: readonly Chosen[],
  text: TriggerText,
): { precision: number; recall: number } {
  let on = 0;
  let all = 0;
  const reached = new Set<number>();
  for (const { site, feature } of members) {
    for (const row of firingRows(runs.get(siteName(site)) as SiteRun, feature)) {
      const window = Math.floor(row / WINDOW);
      all += 1;
      if (window >= text.triggered.length || row % WINDOW < text.triggerFrom) continue;
      on += 1;
      reached.add(window);
    }
  }
  return { precision: on / Math.max(1, all), recall: reached.size / text.triggered.length };
}
