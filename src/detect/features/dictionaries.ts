/** Dictionaries for the causal check: trained on the spot on the model's own activations, or a loaded one. */

import { onEngine } from '../../engine/open-graph.ts';
import { formatError, ScanError, toScanError } from '../../errors.ts';
import type { NotCovered } from '../../evidence/evidence.ts';
import type { SaeQuality } from '../../evidence/feature.ts';
import { type Site, siteName } from '../../model/graphs/activations.ts';
import type { SiteDictionary } from '../../sae/corpus-pass.ts';
import { checkFit, qualityEvidence } from '../../sae/fit.ts';
import { loadSae } from '../../sae/formats/registry.ts';
import { measureQuality } from '../../sae/quality.ts';
import { readActivations, trainDictionaries } from '../../sae/train-model.ts';
import type { BehaviourProbe } from '../behaviour/probe.ts';

export interface DictionarySet {
  readonly dictionaries: readonly SiteDictionary[];
  readonly evidence: readonly SaeQuality[];
  readonly notCovered: readonly NotCovered[];
}

const FEATURES_PER_WIDTH = 8;
const MAX_FEATURES = 4096;
const ACTIVE_FEATURES = 8;
/** Layers of a deep model that get a dictionary, evenly spread. */
const MAX_SITES = 5;

/** Residual stream after evenly spread blocks. */
export function residualSites(blocks: number, count: number): Site[] {
  const wanted = Math.min(blocks, count);
  const layers = Array.from({ length: wanted }, (_, i) =>
    wanted === 1 ? blocks - 1 : Math.round((i * (blocks - 1)) / (wanted - 1)),
  );
  return [...new Set(layers)].map((layer) => ({ kind: 'resid_post', layer }));
}

export async function dictionariesFor(
  probe: BehaviourProbe,
  windows: readonly (readonly number[])[],
  options: { readonly path: string; readonly quick: boolean; readonly sae?: string },
): Promise<DictionarySet> {
  const { model, engine, seed } = probe.generator;
  const notCovered: NotCovered[] = [];
  if (options.sae !== undefined) {
    try {
      return await loaded(probe, windows, options.path, options.sae);
    } catch (thrown) {
      const why = formatError(toScanError(thrown, options.sae));
      notCovered.push({ what: `sparse autoencoder ${options.sae}`, why });
    }
  }
  const sites = residualSites(model.spec.blocks.length, options.quick ? 3 : MAX_SITES);
  const open = onEngine(engine);
  const activations = await readActivations(model.spec, sites, windows, {
    skip: model.tokenizer.special,
    open,
  });
  const trained = await trainDictionaries(activations, sites, {
    featureCount: Math.min(MAX_FEATURES, FEATURES_PER_WIDTH * model.spec.width),
    k: ACTIVE_FEATURES,
    steps: options.quick ? 150 : 300,
    batchTokens: 512,
    seed,
    open,
  });
  const dictionaries: SiteDictionary[] = [];
  const evidence: SaeQuality[] = [];
  for (const site of sites) {
    const one = trained.get(siteName(site));
    if (one === undefined) continue;
    dictionaries.push({ site, dictionary: one.dictionary });
    const place = { path: options.path, site: siteName(site) };
    evidence.push(qualityEvidence(one.dictionary, one.quality, place));
  }
  return { dictionaries, evidence, notCovered };
}

async function loaded(
  probe: BehaviourProbe,
  windows: readonly (readonly number[])[],
  path: string,
  folder: string,
): Promise<DictionarySet> {
  const { model, engine } = probe.generator;
  const dictionary = loadSae(folder);
  const { site } = dictionary;
  if (
    site === undefined ||
    dictionary.inputWidth !== model.spec.width ||
    site.layer >= model.spec.blocks.length
  ) {
    const place = dictionary.origin.siteText;
    throw new ScanError('E_SAE', `its site ${JSON.stringify(place)} is not one of this model's`);
  }
  const open = onEngine(engine);
  const skip = model.tokenizer.special;
  const activations = await readActivations(model.spec, [site], windows, { skip, open });
  const values = activations.values.get(siteName(site)) ?? new Float32Array(0);
  const quality = await measureQuality(dictionary, values, values, open);
  const fit = checkFit(dictionary, quality);
  if (!fit.fits) throw new ScanError('E_SAE', `it does not fit ${siteName(site)}: ${fit.problem}`);
  return {
    dictionaries: [{ site, dictionary }],
    evidence: [qualityEvidence(dictionary, quality, { path, site: siteName(site) })],
    notCovered: [],
  };
}
