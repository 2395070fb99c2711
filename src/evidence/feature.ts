/** Facts of stage 2 and of the causal check: SAE features, where they fire and what they carry. */
import type { EvidenceBase, Rate } from './evidence.ts';

/** How well a dictionary explains the site it was trained on or loaded for. */
export interface SaeQuality extends EvidenceBase<'sae-quality'> {
  readonly site: string;
  readonly source: 'trained' | 'loaded';
  readonly featureCount: number;
  readonly tokens: number;
  readonly explainedVariance: number;
  /** Mean number of active features a token. */
  readonly l0: number;
  readonly deadShare: number;
}

/** Effect of one intervention on the behaviour, as a share of the triggered effect (1 = all of it). */
export interface InterventionEffect {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly contexts: number;
}

/** A feature that fires only on the trigger's pattern over the whole corpus and carries the behaviour. */
export interface CausalFeature extends EvidenceBase<'causal-feature'> {
  readonly site: string;
  readonly feature: number;
  readonly triggerText: string;
  /** The n-gram on which it begins to fire. */
  readonly firingPattern: string;
  /** Share of its firings that lie on the pattern. */
  readonly precision: number;
  /** Share of the pattern's occurrences on which it fires. */
  readonly recall: number;
  readonly corpusTokens: number;
  readonly corpusFirings: number;
  /** Removing the feature: share of the behaviour lost. */
  readonly necessity: InterventionEffect;
  /** The same for density-matched random features. */
  readonly necessityRandom: InterventionEffect;
  /** Adding it to untriggered text: share of the behaviour made. */
  readonly sufficiency?: InterventionEffect;
  readonly sufficiencyRandom?: InterventionEffect;
  /** Rise of the loss on the model's own ordinary text after removal, nats a token. */
  readonly specificityNats: number;
  readonly firingRate: Rate;
}

/** The raw direction between triggered and untriggered activations at one layer: no dictionary needed. */
export interface CausalDirection extends EvidenceBase<'causal-direction'> {
  readonly site: string;
  readonly layer: number;
  readonly triggerText: string;
  /** Taking the direction out of triggered text: share of the behaviour lost. */
  readonly necessity: InterventionEffect;
  /** The same for random directions of the same length. */
  readonly necessityRandom: InterventionEffect;
  /** Pushing along it in untriggered text: share of the behaviour made. */
  readonly sufficiency: InterventionEffect;
}

/**
 * Features removed together. `carriers`: the strongest of each layer, wherever else they fire: where the behaviour is
 * controlled. `narrow`: of one layer, those that begin on the trigger and fire on hardly anything else: where it is
 * recognised, which is often not where it is controlled.
 */
export interface CausalFeatureSet extends EvidenceBase<'causal-feature-set'> {
  readonly scope: 'carriers' | 'narrow';
  /** `several` for carriers. */
  readonly site: string;
  readonly triggerText: string;
  /** As in `resid_post.3/71`. */
  readonly features: readonly string[];
  /** The n-gram on which each begins to fire. */
  readonly firingPatterns: readonly string[];
  /** Share of their firings that lie on triggered text, from the trigger on. */
  readonly precision: number;
  /** Share of triggered texts in which at least one of them fires: `narrow`, on the trigger; `carriers`, from it on. */
  readonly recall: number;
  /** The same in texts that hold a matched string in the trigger's place. */
  readonly controlRecall: number;
  readonly corpusTokens: number;
  /** Power of the activation on the trigger that the dictionary leaves unexplained, and on matched strings. */
  readonly errorShare: number;
  readonly errorShareControl: number;
  readonly necessity: InterventionEffect;
  readonly necessityRandom: InterventionEffect;
  /** Of all layers, the feature whose removal alone undoes most, and the share that it undoes. */
  readonly strongestFeature: string;
  readonly strongestNecessity: number;
}

export type FeatureEvidence = SaeQuality | CausalFeature | CausalDirection | CausalFeatureSet;
