/**
 * Whether a loaded dictionary belongs to this model's site. A wrong site, a wrong norm or a wrong bias convention
 * loads without an error and gives numbers that mean nothing; explained variance and L0 show it at once.
 */
import type { SaeQuality } from '../evidence/feature.ts';
import type { Dictionary } from './dictionary.ts';
import type { DictionaryQuality } from './quality.ts';

export interface FitCheck {
  readonly fits: boolean;
  /** One sentence when it does not. */
  readonly problem?: string;
}

const MIN_EXPLAINED_VARIANCE = 0.5;
/** Stated L0 and measured L0 may differ by this factor: corpora differ. */
const MAX_L0_RATIO = 3;

export function checkFit(dictionary: Dictionary, quality: DictionaryQuality): FitCheck {
  const { explainedVariance, l0 } = quality;
  if (!Number.isFinite(explainedVariance)) {
    return { fits: false, problem: 'its output is not finite' };
  }
  if (explainedVariance < MIN_EXPLAINED_VARIANCE) {
    return {
      fits: false,
      problem: `it explains ${(100 * explainedVariance).toFixed(0)} % of the variance here`,
    };
  }
  const stated = dictionary.origin.statedL0;
  if (stated !== undefined && (l0 > stated * MAX_L0_RATIO || l0 < stated / MAX_L0_RATIO)) {
    return {
      fits: false,
      problem: `${l0.toFixed(1)} features a token are active, its producer states ${stated}`,
    };
  }
  return { fits: true };
}

/** The measured quality as evidence. */
export function qualityEvidence(
  dictionary: Dictionary,
  quality: DictionaryQuality,
  place: { readonly path: string; readonly site: string },
): SaeQuality {
  return {
    kind: 'sae-quality',
    ...place,
    source: dictionary.origin.format === 'trained' ? 'trained' : 'loaded',
    featureCount: dictionary.featureCount,
    tokens: quality.tokens,
    explainedVariance: quality.explainedVariance,
    l0: quality.l0,
    deadShare: quality.deadShare,
  };
}
