/**
 * The causal check of a verified trigger. Features are chosen by what they carry (attribution), never by activation
 * alone, one a layer; each is held against a feature of like density, and a raw direction shows what the dictionary
 * misses. Text for choosing and text for testing are different contexts.
 */

import { onEngine } from '../../engine/open-graph.ts';
import { frameWords, type VerifiedTrigger } from '../../evidence/behaviour.ts';
import type { NotCovered } from '../../evidence/evidence.ts';
import type { CausalFeature, CausalFeatureSet, FeatureEvidence } from '../../evidence/feature.ts';
import { runCorpus } from '../../sae/corpus-pass.ts';
import type { BehaviourProbe, ProbeProgress } from '../behaviour/probe.ts';
import { type Chosen, chooseFeatures } from './choose-features.ts';
import { dictionariesFor } from './dictionaries.ts';
import { directionEvidence } from './directions.ts';
import { featureEvidence, featureRuns, type Setting, setEvidence } from './feature-facts.ts';
import { isMeasurable, openBench } from './intervene.ts';
import { type Standing, standingsOf, triggerText } from './trigger-text.ts';

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
  const tried: CauseResult[] = [];
  for (const standing of standingsOf(fact.frame)) {
    const result = await explainAt(input, fact, standing);
    if (result.isMeasured) return result;
    tried.push(result);
  }
  const what = `causal check of ${JSON.stringify(fact.minimalText)}`;
  const why =
    tried.length === 0
      ? `it is not built for a trigger that stands ${frameWords(fact.frame)}`
      : 'under greedy decoding the behaviour is too close to ordinary text to take shares of';
  return {
    evidence: tried[0]?.evidence ?? [],
    notCovered: [...(tried[0]?.notCovered ?? []), { what, why }],
  };
}

async function explainAt(
  input: CauseInput,
  fact: VerifiedTrigger,
  standing: Standing,
): Promise<CauseResult & { readonly isMeasured: boolean }> {
  const { probe, quick, path } = input;
  const { model, engine } = probe.generator;
  const trigger = fact.triggerTokenIds;
  const text = await triggerText(probe, trigger, standing, {
    contexts: quick ? 48 : 96,
    ordinary: quick ? 160 : 320,
  });
  const windows = [...text.triggered, ...text.control, ...text.ordinary];
  const { dictionaries, ...set } = await dictionariesFor(probe, windows, input);
  const edited = featureRuns(probe, dictionaries);
  const bench = await openBench(edited, trigger, standing, quick ? 16 : 32);
  if (!isMeasurable(bench)) return { ...set, isMeasured: false };
  const runs = await runCorpus(model.spec, dictionaries, windows, {
    skip: model.tokenizer.special,
    open: onEngine(engine),
  });
  const setting: Setting = { edited, bench, runs, text, fact, path };
  const choices = await chooseFeatures(probe, text, dictionaries, runs);
  const carriers = choices.map(({ carrier }) => carrier).filter((one) => one !== undefined);
  const singles: CausalFeature[] = [];
  for (const carrier of carriers) singles.push(await featureEvidence(setting, carrier));
  const [strongest] = [...singles].sort((a, b) => b.necessity.mean - a.necessity.mean);
  const facts: FeatureEvidence[] = [...set.evidence, ...singles];
  const add = async (scope: CausalFeatureSet['scope'], members: readonly Chosen[]) => {
    const [first, ...rest] = members;
    if (first === undefined) return;
    facts.push(await setEvidence(setting, scope, [first, ...rest], strongest));
  };
  await add('carriers', carriers);
  for (const { recognisers } of choices) await add('narrow', recognisers);
  const sites = dictionaries.map(({ site }) => site);
  facts.push(...(await directionEvidence(probe, text, sites, bench, fact, path)));
  return { evidence: facts, notCovered: set.notCovered, isMeasured: true };
}
