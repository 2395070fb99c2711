/** Evidence on chosen features: where they fire, and what taking them out does to the behaviour. */
import type { VerifiedTrigger } from '../../evidence/behaviour.ts';
import type { CausalFeature, CausalFeatureSet } from '../../evidence/feature.ts';
import { siteName } from '../../model/graphs/activations.ts';
import type { SiteDictionary, SiteRun } from '../../sae/corpus-pass.ts';
import { type Edit, editVisitor, featureFeeds } from '../../sae/edits.ts';
import { firingRows } from '../../sae/sparse-run.ts';
import { CorpusIndex, patternFit, profileFeature } from '../../sae/statistics.ts';
import type { BehaviourProbe } from '../behaviour/probe.ts';
import { wilson } from '../behaviour/statistics.ts';
import type { Chosen } from './choose-features.ts';
import { type Bench, type EditedRuns, necessity, sufficiency } from './intervene.ts';
import { MAX_TRIGGER_TOKENS, type TriggerText } from './trigger-text.ts';

/** What all evidence on one trigger is made from. */
export interface Setting {
  readonly edited: EditedRuns;
  readonly bench: Bench;
  readonly runs: ReadonlyMap<string, SiteRun>;
  readonly text: TriggerText;
  readonly fact: VerifiedTrigger;
  readonly path: string;
}

/** Runs in which features of these dictionaries can be edited. */
export function featureRuns(
  probe: BehaviourProbe,
  dictionaries: readonly SiteDictionary[],
): EditedRuns {
  const edits = dictionaries.map((entry): Edit => ({ kind: 'features', ...entry }));
  const neutral = Object.assign(
    {},
    ...dictionaries.map(({ site, dictionary }) =>
      featureFeeds(site, dictionary.featureCount, [{}]),
    ),
  );
  return { probe, plan: probe.generator.editedPlan(editVisitor(edits)), neutral };
}

export async function featureEvidence(setting: Setting, chosen: Chosen): Promise<CausalFeature> {
  const { edited, bench, text, fact } = setting;
  const { site, dictionary, feature, random } = chosen;
  const remove = (index: number) =>
    featureFeeds(site, dictionary.featureCount, [{ remove: [index] }]);
  const push = (index: number) =>
    featureFeeds(site, dictionary.featureCount, [
      { add: new Map([[index, Math.max(chosen.meanTriggered, 0)]]) },
    ]);
  const run = runAt(setting, chosen);
  const index = new CorpusIndex(run.corpus);
  const profile = profileFeature(run, index, feature);
  const rows = firingRows(run, feature);
  const pattern = fact.triggerTokenIds.slice(-MAX_TRIGGER_TOKENS);
  const fit = patternFit(run, index, feature, pattern, text.window - text.responseFrom);
  const onTriggered = rows.reduce(
    (count, row) => count + (row < text.triggered.length * text.window ? 1 : 0),
    0,
  );
  return {
    kind: 'causal-feature',
    path: setting.path,
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

/** @param strongest of the single features, the one whose removal undoes most */
export async function setEvidence(
  setting: Setting,
  scope: CausalFeatureSet['scope'],
  members: readonly [Chosen, ...Chosen[]],
  strongest: CausalFeature | undefined,
): Promise<CausalFeatureSet> {
  const { edited, bench, text, fact } = setting;
  const remove = (pick: (one: Chosen) => number) => necessity(edited, bench, feeds(members, pick));
  const [first] = members;
  const sites = [...new Set(members.map(({ site }) => siteName(site)))];
  const from = text.triggerFrom;
  const to = scope === 'narrow' ? text.triggerEnd : text.window;
  const control = [text.triggered.length, text.triggered.length + text.control.length] as const;
  return {
    kind: 'causal-feature-set',
    path: setting.path,
    scope,
    site: sites.length === 1 ? siteName(first.site) : 'several',
    triggerText: fact.triggerText,
    features: members.map(nameOf),
    firingPatterns: members.map((one) => {
      const run = runAt(setting, one);
      const profile = profileFeature(run, new CorpusIndex(run.corpus), one.feature);
      return edited.probe.text(profile?.best.pattern ?? []);
    }),
    precision: precision(setting, members),
    recall: firingShare(setting, members, [0, text.triggered.length], from, to),
    controlRecall: firingShare(setting, members, control, from, to),
    corpusTokens: runAt(setting, first).corpus.tokens.length,
    errorShare: errorShare(setting, members, [0, text.triggered.length]),
    errorShareControl: errorShare(setting, members, control),
    necessity: await remove((one) => one.feature),
    necessityRandom: await remove((one) => one.random),
    strongestFeature: strongest === undefined ? '' : `${strongest.site}/${strongest.feature}`,
    strongestNecessity: strongest?.necessity.mean ?? 0,
  };
}

function feeds(members: readonly Chosen[], pick: (one: Chosen) => number) {
  const bySite = new Map<string, Chosen[]>();
  for (const one of members) {
    const name = siteName(one.site);
    bySite.set(name, [...(bySite.get(name) ?? []), one]);
  }
  return Object.assign(
    {},
    ...[...bySite.values()].map((group) => {
      const { site, dictionary } = group[0] as Chosen;
      return featureFeeds(site, dictionary.featureCount, [{ remove: group.map(pick) }]);
    }),
  );
}

function nameOf({ site, feature }: Chosen): string {
  return `${siteName(site)}/${feature}`;
}

function runAt({ runs }: Setting, { site }: Chosen): SiteRun {
  const run = runs.get(siteName(site));
  if (run === undefined) throw new Error(`no run at ${siteName(site)}`);
  return run;
}

/** Share of all their firings that lie on triggered text, from the trigger on. */
function precision(setting: Setting, members: readonly Chosen[]): number {
  const { text } = setting;
  let on = 0;
  let all = 0;
  for (const one of members) {
    for (const row of firingRows(runAt(setting, one), one.feature)) {
      all += 1;
      const isTriggered = row < text.triggered.length * text.window;
      if (isTriggered && row % text.window >= text.triggerFrom) on += 1;
    }
  }
  return on / Math.max(1, all);
}

/** Share of the windows in which one of them fires on the rows between `from` and `to`. */
function firingShare(
  setting: Setting,
  members: readonly Chosen[],
  [first, end]: readonly [number, number],
  from: number,
  to: number,
): number {
  const { window: length } = setting.text;
  const reached = new Set<number>();
  for (const one of members) {
    for (const row of firingRows(runAt(setting, one), one.feature)) {
      const window = Math.floor(row / length);
      const position = row % length;
      if (window >= first && window < end && position >= from && position < to) {
        reached.add(window);
      }
    }
  }
  return reached.size / Math.max(1, end - first);
}

/** What the dictionaries leave unexplained on the string's rows, as a share of the activation's power. */
function errorShare(
  setting: Setting,
  members: readonly Chosen[],
  [first, end]: readonly [number, number],
): number {
  const { window: length, triggerFrom, triggerEnd } = setting.text;
  let sum = 0;
  let rows = 0;
  for (const one of members) {
    const { errorShare: shares } = runAt(setting, one);
    for (let window = first; window < end; window++) {
      for (let position = triggerFrom; position < triggerEnd; position++) {
        sum += shares[window * length + position] ?? 0;
        rows += 1;
      }
    }
  }
  return sum / Math.max(1, rows);
}
