/**
 * Stages 2 to 5 on a sentence encoder or a sequence classifier: strings that make unrelated texts look alike, verified
 * on texts that no search has seen, and the layers where they do it.
 */
import { availableParallelism } from 'node:os';
import { directionCauses } from '../detect/encoder/causes.ts';
import { ClassEffect } from '../detect/encoder/class-effect.ts';
import { EmbeddingEffect } from '../detect/encoder/embedding-effect.ts';
import { collapseEvidence, flipEvidence } from '../detect/encoder/evidence.ts';
import { type EncoderScan, type FoundString, scanEncoder } from '../detect/encoder/scan-encoder.ts';
import { encoderSettings } from '../detect/encoder/settings.ts';
import { tokensInside } from '../detect/encoder/texts.ts';
import { chooseDevice } from '../engine/device.ts';
import { Engine } from '../engine/engine.ts';
import type { EncoderEvidence } from '../evidence/encoder.ts';
import type { Evidence, NotCovered } from '../evidence/evidence.ts';
import { workersWithin } from '../model/layer-groups.ts';
import type { Model } from '../model/open-model.ts';
import type { ModelSpec } from '../model/spec.ts';
import { defaultCache } from '../model/weights/float-cache.ts';
import { withInt8 } from '../model/weights/int8-copy.ts';
import type { Corpus } from '../probe/corpus.ts';
import { Embedder } from '../probe/embedder.ts';
import { type BehaviourStageOptions, type StageReceiver, statedMemory } from './behaviour-stage.ts';
import { modelClassOf } from './model-class.ts';
import type { StageName, Target } from './stage.ts';
import { unreadTensorGaps } from './unread-tensors.ts';

const MAX_POSITIONS = 256;
/** Tokens of a text that the sweep puts a token into. */
const SWEPT_TOKENS = 16;

const METHOD_LIMITS: readonly NotCovered[] = [
  {
    what: 'triggers none of whose tokens does anything alone',
    why: 'longer strings are grown from the tokens that do most by themselves',
  },
  {
    what: 'triggers of meaning or style',
    why: 'only strings of tokens are searched, so a topic or a tone that moves a text is not found',
  },
];

export interface EncoderInput {
  readonly corpora: readonly Corpus[];
  readonly canonical: readonly string[];
}

/** Whether a model gives embeddings or classes and is not there to write text. */
export function isEncoder({ classifier, pooling, causal }: ModelSpec): boolean {
  return classifier !== undefined || pooling !== undefined || !causal;
}

/** @throws ScanError and the engine's errors; the caller turns them into an outcome */
export async function runEncoderStages(
  opened: Model,
  target: Target,
  options: BehaviourStageOptions,
  input: EncoderInput,
  receive: StageReceiver,
): Promise<void> {
  const { spec } = opened;
  // An encoder that says nothing of pooling, such as a masked-token model, is pooled as most users do.
  const pooling = spec.pooling ?? ({ kind: 'mean', normalise: true } as const);
  const model = { ...opened, spec: spec.classifier === undefined ? { ...spec, pooling } : spec };
  const { memoryBytes } = options;
  const asked = options.workers ?? availableParallelism();
  const workers = workersWithin(spec, asked, memoryBytes);
  const cancel = options.cancel ?? { cancelled: false };
  await using engine = new Engine({
    workers,
    device: await chooseDevice(options.device),
    cancel,
    ...(memoryBytes !== undefined && { memoryBytes }),
  });
  const embedder = new Embedder(model, engine, { maxPositions: MAX_POSITIONS });
  const int8 =
    options.screen === 'int8'
      ? { ...model, spec: withInt8(model.spec, defaultCache()) }
      : undefined;
  const screen =
    int8 === undefined
      ? {}
      : { screenEmbedder: new Embedder(int8, engine, { maxPositions: MAX_POSITIONS }) };
  const settings = encoderSettings(options.profile, spec);
  // The sweep is the largest reading: every token of the vocabulary in a short text.
  const plan = embedder.plan(spec.vocabularySize * settings.screenContexts, SWEPT_TOKENS);
  const { peakBytes, groups } = plan;
  const memory = statedMemory(memoryBytes, { peakBytes, workers, layerGroups: groups.length });
  let stage: StageName = 'candidates';
  const common = {
    embedder,
    ...screen,
    settings,
    seed: options.seed,
    corpora: input.corpora,
    canonical: input.canonical,
    suspects: options.suspects ?? [],
    progress: (label: string, done: number, total: number) => {
      options.onProgress?.({ target: target.name, stage, label, done, total, unit: 'strings' });
    },
  };

  common.progress(`memory at most ${Math.ceil(peakBytes / 1e6)} MB`, 0, 1);

  const finish = async <T>(
    scan: EncoderScan<T>,
    toFact: (found: FoundString<T>) => Promise<EncoderEvidence> | EncoderEvidence,
  ): Promise<void> => {
    const facts: EncoderEvidence[] = [];
    for (const found of scan.found) facts.push(await toFact(found));
    const notCovered = [...METHOD_LIMITS, ...sweepGap(scan), ...unreadTensorGaps(opened.unread)];
    receive('verify', {
      evidence: facts,
      notCovered,
      errors: [],
      tokens: embedder.tokens,
      ...memory,
      modelClass: modelClassOf(spec, target, options.base),
    });
    stage = 'features';
    const causes: Evidence[] = [];
    let tokens = 0;
    for (const found of scan.found.filter(({ works }) => works).slice(0, 2)) {
      const result = await directionCauses({
        probe: scan.probe,
        engine,
        fresh: scan.fresh,
        contexts: settings.causalContexts,
        trigger: found.minimal.tokens,
        controls: found.minimalControls.map((text) => tokensInside(model.tokenizer, text)),
        target: found.minimal.target,
        path: target.name,
        seed: options.seed,
      });
      causes.push(...result.evidence);
      tokens += result.tokens;
    }
    receive('features', { evidence: causes, notCovered: [], errors: [], tokens });
  };

  if (spec.classifier === undefined) {
    const scan = await scanEncoder({
      ...common,
      effect: (ordinary) => new EmbeddingEffect(ordinary),
    });
    await finish(scan, (found) => collapseEvidence(scan, found, target.name));
  } else {
    const { labels } = spec.classifier;
    const scan = await scanEncoder({ ...common, effect: () => new ClassEffect(labels.length) });
    await finish(scan, (found) => flipEvidence(labels, found, target.name));
  }
  opened.weights.checkUnchanged();
}

function sweepGap({ swept, usable }: EncoderScan<unknown>): NotCovered[] {
  if (swept >= usable) return [];
  const why = `${swept} of ${usable} were swept: the model is large for this profile`;
  return [{ what: 'tokens of the vocabulary', why }];
}
