/** One target's stages in order, each outcome handed over as soon as it is there. Runs in the scan's child process. */

import type { DeviceChoice } from '../engine/device.ts';
import { runBehaviourStages } from './behaviour-stage.ts';
import { SMALL_FILE_BYTES } from './file-digests.ts';
import { runFileStage } from './file-stage.ts';
import { type NetworkOptions, runRemoteStage } from './remote-stage.ts';
import { isRunnable } from './runnable.ts';
import type {
  CancelSignal,
  Profile,
  ProgressEvent,
  StageName,
  StageOutcome,
  Target,
} from './stage.ts';
import { runWeightStage } from './weight-stage.ts';

/** Plain data: it travels to the child process. */
export interface StageOptions {
  readonly profile: Profile;
  readonly seed: number;
  readonly device: DeviceChoice;
  readonly workers?: number;
  readonly memoryBytes?: number;
  readonly screen?: 'int8';
  readonly base?: string;
  readonly sae?: string;
  readonly corpus?: string;
  readonly knownText?: string;
  readonly suspects?: readonly string[];
  readonly network?: NetworkOptions;
  /** Largest file whose SHA-256 is taken; by default all, and with profile `files` small ones. */
  readonly digestBytes?: number;
}

export interface StageHooks {
  readonly cancel: CancelSignal;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly receive: (stage: StageName, outcome: StageOutcome) => void;
}

/** The stages that a target of this kind is owed under a profile. */
export function stagesFor(target: Target, profile: Profile, base?: string): StageName[] {
  if (target.kind === 'remote' || profile === 'files') return ['files'];
  if (isRunnable(target, base)) return ['files', 'weights', 'verify', 'features'];
  return ['files', 'weights'];
}

export async function runStages(
  target: Target,
  options: StageOptions,
  hooks: StageHooks,
): Promise<void> {
  const { cancel, onProgress, receive } = hooks;
  const shared = { cancel, onProgress };
  if (target.kind === 'remote') {
    receive('files', await runRemoteStage(target, { ...shared, ...options }));
    return;
  }
  const digestBytes = options.profile === 'files' ? SMALL_FILE_BYTES : Number.POSITIVE_INFINITY;
  receive(
    'files',
    await runFileStage(target, { ...shared, digestBytes: options.digestBytes ?? digestBytes }),
  );
  if (options.profile === 'files') return;
  const weights = await runWeightStage(target, {
    ...shared,
    ...(options.base !== undefined && { base: options.base }),
  });
  receive('weights', weights);
  if (!isRunnable(target, options.base)) return;
  const broken = weights.evidence.filter((fact) => fact.kind === 'non-finite-tensor');
  if (broken.length > 0) {
    const why = `E_TENSOR_VALUES: NaN or infinite values in tensors (${broken.length} in all), so nothing was run`;
    const notCovered = [{ what: `${target.name}: behaviour`, why }];
    receive('verify', { evidence: [], notCovered, errors: [], tokens: 0 });
    return;
  }
  await runBehaviourStages(target, { ...options, profile: options.profile, ...shared }, receive);
}
