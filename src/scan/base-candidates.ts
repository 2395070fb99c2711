/** Candidate strings that weights and a base model give; the other sources know neither. */
import type { BaseModel } from '../detect/behaviour/base-search.ts';
import type { BehaviourProbe } from '../detect/behaviour/probe.ts';
import { type CandidateString, cutPaths } from '../detect/behaviour/search.ts';
import { baseDifferencePaths } from '../detect/behaviour/sources/base-difference.ts';
import { weightStrings } from '../detect/weights/strings.ts';
import type { Engine } from '../engine/engine.ts';
import { ScanError } from '../errors.ts';
import { openModel } from '../model/open-model.ts';
import type { Target } from './stage.ts';

/** What the weights point at, and what the model writes and its base would not. */
export async function baseCandidates(
  target: Target,
  given: string | undefined,
  base: BaseModel | undefined,
  probe: BehaviourProbe,
): Promise<readonly CandidateString[]> {
  const found: CandidateString[] = [];
  const { sources } = probe.settings;
  if (sources.has('weights')) {
    const strings = unlessUnreadable(() => weightStrings(target.root, given)) ?? [];
    found.push(...strings.map((tokens) => ({ tokens, source: 'weights' as const })));
  }
  if (base !== undefined && sources.has('base-difference')) {
    found.push(...cutPaths(await baseDifferencePaths(probe, base.model, base.engine)));
  }
  return found;
}

/**
 * A base that cannot be read or that has another vocabulary takes nothing from the other sources: what it would
 * have given is left out, and the weight stage tells of the base's error.
 */
export function openBase(
  given: string | undefined,
  vocabularySize: number,
  engine: Engine,
): BaseModel | undefined {
  if (given === undefined) return undefined;
  const model = unlessUnreadable(() => openModel(given));
  return model?.spec.vocabularySize === vocabularySize ? { model, engine } : undefined;
}

function unlessUnreadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof ScanError && thrown.code !== 'E_INTERRUPTED') return undefined;
    throw thrown;
  }
}
