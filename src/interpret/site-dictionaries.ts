/** The dictionaries that a command works with: loaded from paths, or trained on the way. */

import type { OpenGraph } from '../engine/open-graph.ts';
import { ScanError } from '../errors.ts';
import { type Site, siteName } from '../model/graphs/activations.ts';
import type { Model } from '../model/open-model.ts';
import type { SiteDictionary } from '../sae/corpus-pass.ts';
import { findDictionaries, loadFound } from '../sae/formats/registry.ts';
import { readActivations, trainDictionaries } from '../sae/train-model.ts';

/** Enough to look into a small model; `sae train` makes better ones. */
const QUICK = { featureCount: 256, k: 8, steps: 400, batchTokens: 512 } as const;

/** @throws ScanError `E_SAE` when a dictionary does not say where it reads, or two read at one site */
export function loadDictionaries(paths: readonly string[]): SiteDictionary[] {
  const seen = new Set<string>();
  return paths.flatMap(findDictionaries).map((found) => {
    const dictionary = loadFound(found);
    const { site } = dictionary;
    if (site === undefined) {
      const where = JSON.stringify(dictionary.origin.siteText);
      throw new ScanError('E_SAE', `its site ${where} is not known here`, { file: found.file });
    }
    if (seen.has(siteName(site))) {
      throw new ScanError('E_SAE', `a second dictionary for ${siteName(site)}`, {
        file: found.file,
      });
    }
    seen.add(siteName(site));
    return { site, dictionary };
  });
}

export async function trainQuickDictionaries(
  model: Model,
  sites: readonly Site[],
  windows: readonly (readonly number[])[],
  options: {
    readonly seed: number;
    readonly open: OpenGraph;
    readonly onProgress: (done: number, total: number) => void;
  },
): Promise<SiteDictionary[]> {
  const { open, seed } = options;
  const activations = await readActivations(model.spec, sites, windows, {
    skip: model.tokenizer.special,
    open,
  });
  let done = 0;
  const trained = await trainDictionaries(activations, sites, {
    ...QUICK,
    seed,
    open,
    onProgress: () => options.onProgress(++done, QUICK.steps * sites.length),
  });
  return sites.flatMap((site) => {
    const dictionary = trained.get(siteName(site))?.dictionary;
    return dictionary === undefined ? [] : [{ site, dictionary }];
  });
}
