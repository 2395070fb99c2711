/** `narrowfire features`: a catalogue of the features that fire on one narrow pattern, with their contexts. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { ScanError, toScanError } from '../../errors.ts';
import { type CatalogueEntry, catalogue } from '../../interpret/catalogue.ts';
import { textWindows } from '../../interpret/text-windows.ts';
import { type Site, siteName } from '../../model/graphs/activations.ts';
import { jsonText, visibleLine } from '../../report/safe-text.ts';
import { runCorpus } from '../../sae/corpus-pass.ts';
import type { Dictionary } from '../../sae/dictionary.ts';
import { findDictionaries, loadFound } from '../../sae/formats/registry.ts';
import { onEngine } from '../../sae/runner.ts';
import { readActivations, trainDictionaries } from '../../sae/train-model.ts';
import type { CommandHost } from '../main.ts';
import {
  addModelRunOptions,
  addTextOptions,
  type ModelRun,
  type ModelRunFlags,
  sitesOf,
  type TextFlags,
  withModel,
} from '../model-run.ts';
import { collect, wholeNumber } from '../option-parsers.ts';
import { colorFor } from '../settings.ts';
import { tokenStrip } from '../token-strip.ts';

interface FeaturesFlags extends ModelRunFlags, TextFlags {
  readonly sae?: readonly string[];
  readonly site?: readonly string[];
  readonly limit: number;
  readonly contexts: number;
  readonly minFirings: number;
  readonly output?: string;
  readonly color: 'auto' | 'always' | 'never';
}

interface SiteCatalogue {
  readonly site: string;
  readonly features: number;
  readonly entries: readonly CatalogueEntry[];
}

/** A narrow feature is silent on at least this share of tokens. */
const MAX_DENSITY = 0.05;
/** Dictionaries that are trained for a catalogue alone; `sae train` makes better ones. */
const QUICK_STEPS = 400;
const QUICK_FEATURES = 256;
const QUICK_BATCH = 512;

export function addFeaturesCommand(program: Command, host: CommandHost): void {
  const command = program
    .command('features')
    .summary('list the features that fire on one narrow pattern')
    .description(
      'Lists the features of a model that fire on one narrow pattern, what they fire on, what almost sets them off and what they make likelier. Without --sae, dictionaries are trained on the way.',
    )
    .argument('<model>', 'model folder')
    .option('--sae <path>', 'dictionaries to use (repeatable)', collect)
    .option('--site <name>', 'where to train or read (repeatable); default: every block', collect)
    .option('--limit <n>', 'features for each site', wholeNumber(1), 10)
    .option('--contexts <n>', 'contexts for each feature', wholeNumber(1), 3)
    .option('--min-firings <n>', 'leave out features that fire less often', wholeNumber(1), 5)
    .option('-o, --output <file>', 'write the catalogue as JSON')
    .addOption(
      new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'),
    )
    .action(async (folder: string, flags: FeaturesFlags) => {
      await runFeatures(folder, flags, host);
    });
  addModelRunOptions(addTextOptions(command, 32_768));
}

async function runFeatures(
  folder: string,
  flags: FeaturesFlags,
  { io }: CommandHost,
): Promise<void> {
  const result = await withModel(folder, flags, io, async (run) => {
    const { model, engine } = run;
    const open = onEngine(engine);
    const text = await textWindows(model, engine, {
      corpora: (flags.corpus ?? []).map((file) => resolve(io.cwd, file)),
      length: flags.window,
      maxTokens: flags.tokens,
      seed: flags.seed,
    });
    const dictionaries =
      flags.sae === undefined
        ? await trainHere(run, flags, text.windows)
        : loadThem(flags.sae.map((path) => resolve(io.cwd, path)));
    const runs = await runCorpus(model.spec, dictionaries, text.windows, {
      skip: model.tokenizer.special,
      open,
      onProgress: (done, total) => run.tell('features over the text', done, total, 'tokens'),
    });
    const sites: SiteCatalogue[] = [];
    for (const { site, dictionary } of dictionaries) {
      const siteRun = runs.get(siteName(site));
      if (siteRun === undefined) continue;
      const entries = await catalogue(model, siteRun, dictionary, {
        limit: flags.limit,
        contexts: flags.contexts,
        minFirings: flags.minFirings,
        maxDensity: MAX_DENSITY,
        open,
      });
      sites.push({ site: siteName(site), features: dictionary.featureCount, entries });
    }
    return { text: text.source, tokens: text.windows.length * flags.window, sites };
  });
  const document = { schema: 'narrowfire/features/v1', model: folder, ...result };
  if (flags.output !== undefined) {
    try {
      writeFileSync(resolve(io.cwd, flags.output), `${jsonText(document)}\n`);
    } catch (thrown) {
      throw new ScanError('E_OUTPUT', toScanError(thrown).message, { file: flags.output });
    }
  }
  if (flags.json === true) io.stdout(`${jsonText(document)}\n`);
  else for (const site of result.sites) io.stdout(siteText(site, colorFor(flags.color, io)));
}

async function trainHere(
  run: ModelRun,
  flags: FeaturesFlags,
  windows: readonly (readonly number[])[],
): Promise<{ site: Site; dictionary: Dictionary }[]> {
  const { model, engine } = run;
  const names = flags.site ?? model.spec.blocks.map((_, layer) => `resid_post.${layer}`);
  const sites = sitesOf(model, names);
  const open = onEngine(engine);
  const activations = await readActivations(model.spec, sites, windows, {
    skip: model.tokenizer.special,
    open,
  });
  let done = 0;
  const trained = await trainDictionaries(activations, sites, {
    featureCount: QUICK_FEATURES,
    k: 8,
    steps: QUICK_STEPS,
    batchTokens: QUICK_BATCH,
    seed: flags.seed,
    open,
    onProgress: () => run.tell('training', ++done, QUICK_STEPS * sites.length, 'steps'),
  });
  return sites.flatMap((site) => {
    const dictionary = trained.get(siteName(site))?.dictionary;
    return dictionary === undefined ? [] : [{ site, dictionary }];
  });
}

function loadThem(paths: readonly string[]): { site: Site; dictionary: Dictionary }[] {
  return paths.flatMap(findDictionaries).map((found) => {
    const dictionary = loadFound(found);
    if (dictionary.site !== undefined) return { site: dictionary.site, dictionary };
    throw new ScanError(
      'E_SAE',
      `its site ${JSON.stringify(dictionary.origin.siteText)} is not known here`,
      {
        file: found.file,
      },
    );
  });
}

function siteText({ site, features, entries }: SiteCatalogue, color: boolean): string {
  const lines = [`${site}  ${features} features, ${entries.length} listed`];
  for (const { profile, patternText, contexts, nearMisses, promotes } of entries) {
    const { best, feature, firings, conjunction, persistence } = profile;
    const share = (value: number) => `${(100 * value).toFixed(0)} %`;
    lines.push(
      '',
      `  #${feature}  "${visibleLine(patternText)}"  precision ${share(best.precision)}, recall ${share(best.recall)}, ` +
        `conjunction ${conjunction.toFixed(2)}, persistence ${share(persistence)}, ${firings} firings`,
    );
    for (const strip of contexts) lines.push(`      ${tokenStrip(strip, profile.maximum, color)}`);
    for (const strip of nearMisses.slice(0, 1)) {
      lines.push(`      silent: ${tokenStrip(strip, profile.maximum, color)}`);
    }
    if (promotes.length > 0) lines.push(`      promotes: ${promotes.map(visibleLine).join(' | ')}`);
  }
  return `${lines.join('\n')}\n\n`;
}
