/**
 * Stages 2 to 5 on a target that is a runnable language model: features, candidates, verification and the causal
 * check. A target that cannot be run says why in what was not covered.
 */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { KnownText } from '../detect/behaviour/known-text.ts';
import { scanBehaviour } from '../detect/behaviour/scan-behaviour.ts';
import { behaviourSettings } from '../detect/behaviour/settings.ts';
import { explainCauses } from '../detect/features/explain-causes.ts';
import { chooseDevice, type DeviceChoice } from '../engine/device.ts';
import { Engine } from '../engine/engine.ts';
import { PACKAGE_ROOT } from '../entry-point.ts';
import { ScanError, serializeError, toScanError } from '../errors.ts';
import type { VerifiedTrigger } from '../evidence/behaviour.ts';
import type { Evidence, NotCovered } from '../evidence/evidence.ts';
import type { MemoryStatement } from '../finding/finding.ts';
import { installedLists, type ListLookup } from '../judge/lists.ts';
import { type Model, openModel } from '../model/open-model.ts';
import { defaultCache } from '../model/weights/float-cache.ts';
import { withInt8 } from '../model/weights/int8-copy.ts';
import {
  bundledCorpora,
  bundledKnownTexts,
  type Corpus,
  readCorpus,
  readKnownTexts,
} from '../probe/corpus.ts';
import { Generator } from '../probe/generation.ts';
import { type GenerationPlan, planGeneration } from '../probe/generation-memory.ts';
import { baseCandidates, openBase } from './base-candidates.ts';
import { isEncoder, runEncoderStages } from './encoder-stage.ts';
import { modelClassOf } from './model-class.ts';
import type {
  CancelSignal,
  Profile,
  ProgressEvent,
  StageName,
  StageOutcome,
  Target,
} from './stage.ts';
import { unreadTensorGaps } from './unread-tensors.ts';

export interface BehaviourStageOptions {
  readonly profile: Exclude<Profile, 'files'>;
  readonly seed: number;
  readonly device: DeviceChoice;
  readonly workers?: number;
  /** Bound on resident memory. */
  readonly memoryBytes?: number;
  /** What an adapter is laid onto, and what weights are compared with for candidates. */
  readonly base?: string;
  readonly corpus?: string;
  /** File of further texts that models learn by heart. */
  readonly knownText?: string;
  readonly sae?: string;
  /** Large sweeps run on an eight-bit copy of the model first. */
  readonly screen?: 'int8';
  /** Strings that the user suspects of being triggers. */
  readonly suspects?: readonly string[];
  readonly cancel?: CancelSignal;
  readonly list?: ListLookup;
  onProgress?(event: ProgressEvent): void;
}

export type StageReceiver = (stage: StageName, outcome: StageOutcome) => void;

/** Longest context, string and response of a scan together, tokens. */
const LONGEST_TEXT = 160;

const CANONICAL_LIST = 'trigger-controls-output/canonical';
const FRAME_LIST = 'trigger-controls-output/frames';
/** Frames and forms that no profile tries; said in every result, because silence would read as coverage. */
const METHOD_LIMITS: readonly NotCovered[] = [
  {
    what: 'triggers of meaning or style',
    why: 'only strings of tokens are searched, so a topic or a tone that sets a behaviour off is not found',
  },
  {
    what: 'behaviours that begin more than about 50 tokens after the trigger, or last under 8 tokens',
    why: 'responses are read for 24 to 56 tokens, and a few tokens carry too little evidence',
  },
];

/** Hands each stage's outcome to `receive` as soon as it is there; never throws for bad input. */
export async function runBehaviourStages(
  target: Target,
  options: BehaviourStageOptions,
  receive: StageReceiver,
): Promise<void> {
  const { memoryBytes } = options;
  const bound = memoryBytes === undefined ? {} : { memoryBytes };
  let model: Model;
  let plan: GenerationPlan;
  try {
    model = openModel(target.root, options.base === undefined ? {} : { base: options.base });
    if (isEncoder(model.spec)) {
      const input = { corpora: corporaFor(options), canonical: canonicalStrings(options) };
      await runEncoderStages(model, target, options, input, receive);
      return;
    }
    if (model.spec.head === undefined || !model.spec.causal) {
      throw new ScanError('E_ARCHITECTURE', `${model.spec.family} writes no text`, {
        file: join(target.given, 'config.json'),
        hint: 'Files and weights are scanned.',
      });
    }
    plan = planGeneration(model.spec, {
      positions: Math.min(LONGEST_TEXT, model.spec.maxPositions),
      workers: options.workers ?? availableParallelism(),
      ...bound,
    });
  } catch (thrown) {
    receive('verify', failed(thrown, target));
    return;
  }
  const { workers, rows } = plan;
  const cancel = options.cancel ?? { cancelled: false };
  const device = await chooseDevice(options.device);
  await using engine = new Engine({ workers, device, cancel, ...bound });
  const screen = options.screen === 'int8' ? { screen: withInt8(model.spec, defaultCache()) } : {};
  const generator = new Generator(model, engine, { seed: options.seed, rows, ...screen });
  let stage: StageName = 'candidates';
  const progress = (label: string, done: number, total: number) => {
    options.onProgress?.({ target: target.name, stage, label, done, total, unit: 'strings' });
  };
  progress(`memory at most ${Math.ceil(plan.peakBytes / 1e6)} MB`, 0, 1);
  const memory = statedMemory(memoryBytes, { ...plan, layerGroups: 1 });
  let spent = 0;
  const outcome = (evidence: readonly Evidence[], notCovered: readonly NotCovered[] = []) => {
    const tokens = generator.tokens - spent;
    spent = generator.tokens;
    return { evidence, notCovered, errors: [], tokens, device: engine.device, ...memory };
  };
  try {
    const base = openBase(options.base, model.spec.vocabularySize, engine);
    const result = await scanBehaviour({
      generator,
      settings: behaviourSettings(options.profile),
      path: target.name,
      corpora: corporaFor(options),
      canonical: canonicalStrings(options),
      knownText: knownTextFor(options),
      frameLines: [...(options.list ?? installedLists())(FRAME_LIST)],
      suspects: options.suspects ?? [],
      extra: (probe) => baseCandidates(target, options.base, base, probe),
      ...(base !== undefined && { base }),
      progress,
    });
    const limits = [...METHOD_LIMITS, ...result.notCovered, ...unreadTensorGaps(model.unread)];
    receive('verify', {
      ...outcome(result.evidence, limits),
      modelClass: modelClassOf(model.spec, target, options.base),
      best: { 'verified-trigger.score': result.bestScore },
    });
    stage = 'features';
    const working = result.evidence.filter((fact) => fact.outcome === 'backdoored');
    const causes = await explainCauses({
      probe: result.probe,
      triggers: strongest(working, options.profile === 'quick' ? 1 : 2),
      path: target.name,
      quick: options.profile === 'quick',
      ...(options.sae !== undefined && { sae: options.sae }),
      progress,
    });
    receive('features', outcome(causes.evidence, causes.notCovered));
    model.weights.checkUnchanged();
  } catch (thrown) {
    const cause = changeOf(model) ?? thrown;
    receive(stage === 'features' ? 'features' : 'verify', failed(cause, target));
  }
}

/** What a bounded scan says of memory in its result. */
export function statedMemory(
  boundBytes: number | undefined,
  { peakBytes, workers, layerGroups }: Omit<MemoryStatement, 'boundBytes'>,
): Pick<StageOutcome, 'memory'> {
  if (boundBytes === undefined) return {};
  return { memory: { boundBytes, peakBytes: Math.ceil(peakBytes), workers, layerGroups } };
}

/** Weights that changed under the scan explain whatever else went wrong. */
function changeOf(model: Model): unknown {
  try {
    model.weights.checkUnchanged();
    return undefined;
  } catch (change) {
    return change;
  }
}

function canonicalStrings({ list }: BehaviourStageOptions): string[] {
  return [...(list ?? installedLists())(CANONICAL_LIST)];
}

function corporaFor({ corpus }: BehaviourStageOptions): Corpus[] {
  const bundled = bundledCorpora(join(PACKAGE_ROOT, 'corpora'), 'generic');
  return corpus === undefined ? bundled : [readCorpus(corpus), ...bundled];
}

/** The user's file is read at once, so that a mistake in it ends the scan before the model runs. */
function knownTextFor({ knownText }: BehaviourStageOptions): KnownText {
  const own = knownText === undefined ? [] : readKnownTexts(knownText);
  return new KnownText(() => [...own, ...bundledKnownTexts(join(PACKAGE_ROOT, 'corpora'))]);
}

/** The strongest string of each behaviour. */
function strongest(facts: readonly VerifiedTrigger[], count: number): VerifiedTrigger[] {
  const byGroup = new Map<string, VerifiedTrigger>();
  for (const fact of facts) {
    const known = byGroup.get(fact.behaviourGroup);
    if (known === undefined || fact.score > known.score) byGroup.set(fact.behaviourGroup, fact);
  }
  return [...byGroup.values()].sort((a, b) => b.score - a.score).slice(0, count);
}

function failed(thrown: unknown, target: Target): StageOutcome {
  const error = toScanError(thrown, target.given);
  if (['E_INTERRUPTED', 'E_ARCHITECTURE', 'E_LIMIT'].includes(error.code)) {
    const what = `${target.name}: behaviour`;
    const hint = error.code === 'E_LIMIT' && error.hint !== undefined ? `. ${error.hint}` : '';
    return {
      evidence: [],
      notCovered: [{ what, why: `${error.code}: ${error.message}${hint}` }],
      errors: [],
      tokens: 0,
    };
  }
  return { evidence: [], notCovered: [], errors: [serializeError(error)], tokens: 0 };
}
