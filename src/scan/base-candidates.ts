/** Candidate strings that weights and a base model give; the other sources know neither. */
import type { BehaviourProbe } from '../detect/behaviour/probe.ts';
import { type CandidateString, cutPaths } from '../detect/behaviour/search.ts';
import { baseDifferencePaths } from '../detect/behaviour/sources/base-difference.ts';
import { weightStrings } from '../detect/weights/strings.ts';
import type { Engine } from '../engine/engine.ts';
import { ScanError } from '../errors.ts';
import { openModel } from '../model/open-model.ts';
import type { Target } from './stage.ts';

/**
 * A base that cannot be read or that has another vocabulary takes nothing from the other sources: what it would
 * have given is left out, and the weight stage tells of the base's error.
 */
export async function baseCandidates(
  target: Target,
  base: string | undefined,
  probe: BehaviourProbe,
  engine: Engine,
): Promise<readonly CandidateString[]> {
  const found: CandidateString[] = [];
  const { sources } = probe.settings;
  if (sources.has('weights')) {
    const strings = await unlessUnreadable(() => weightStrings(target.root, base));
    found.push(...strings.map((tokens) => ({ tokens, source: 'weights' as const })));
  }
  if (base !== undefined && sources.has('base-difference')) {
    const paths = await unlessUnreadable(async () => {
      const model = openModel(base);
      if (model.spec.vocabularySize !== probe.vocabularySize) return [];
      return baseDifferencePaths(probe, model, engine);
    });
    found.push(...cutPaths(paths));
  }
  return found;
}

async function unlessUnreadable<T>(
  read: () => readonly T[] | Promise<readonly T[]>,
): Promise<readonly T[]> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof ScanError && thrown.code !== 'E_INTERRUPTED') return [];
    throw thrown;
  }
}
