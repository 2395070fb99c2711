/** Candidate strings out of weights: the tokens that the weights point at, alone and in pairs. */
import { configBeside } from '../../model/model-files.ts';
import { isAdapterFolder } from '../../model/weights/adapter.ts';
import { openMerged } from '../../model/weights/merge.ts';
import { openStored } from '../../model/weights.ts';
import { weightCandidates } from './candidates.ts';
import { rolesOf } from './roles.ts';

/** Without a base only rows far beyond their peers are worth a trial: rare tokens are ordinary outliers. */
const MIN_SCORE_ALONE = 8;
const TOKENS_ALONE = 8;
const TOKENS_WITH_BASE = 24;
const PAIRED_TOKENS = 6;

/**
 * @param path model folder, GGUF file, or adapter folder (then `base` is needed)
 * @returns token ids of each string, best first
 * @throws ScanError when weights cannot be read
 */
export function weightStrings(path: string, base?: string): readonly (readonly number[])[] {
  const adapted = base !== undefined && isAdapterFolder(path);
  using weights = adapted ? openMerged(path, openStored(base)) : openStored(path);
  const roles = rolesOf(weights, configBeside(adapted ? base : path));
  if (base === undefined) {
    const { triggers } = weightCandidates(weights, roles, undefined, TOKENS_ALONE);
    return triggers.filter(({ score }) => score >= MIN_SCORE_ALONE).map(({ tokenId }) => [tokenId]);
  }
  using reference = openStored(base);
  const { triggers } = weightCandidates(weights, roles, reference, TOKENS_WITH_BASE);
  const tokens = triggers.map(({ tokenId }) => tokenId);
  const first = tokens.slice(0, PAIRED_TOKENS);
  return [...tokens.map((id) => [id]), ...first.flatMap((a) => first.map((b) => [a, b]))];
}
