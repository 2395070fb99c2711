/** `narrowfire features`: a catalogue of the features that fire on one narrow pattern, with their contexts. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { onEngine } from '../../engine/open-graph.ts';
import { ScanError, toScanError } from '../../errors.ts';
import { type CatalogueEntry, catalogue } from '../../interpret/catalogue.ts';
import { siteName } from '../../model/graphs/activations.ts';
import { jsonText, visibleLine } from '../../report/safe-text.ts';
import { runCorpus } from '../../sae/corpus-pass.ts';
import type { CommandHost } from '../main.ts';
import {
  addDictionaryOptions,
  addModelRunOptions,
  type DictionaryFlags,
  dictionariesFor,
  type ModelRunFlags,
  windowsFor,
  withModel,
} from '../model-run.ts';
import { wholeNumber } from '../option-parsers.ts';
import { colorFor } from '../settings.ts';
import { tokenStrip } from '../token-strip.ts';

interface FeaturesFlags extends ModelRunFlags, DictionaryFlags {
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

export function addFeaturesCommand(program: Command, host: CommandHost): void {
  const command = program
    .command('features')
    .summary('list the features that fire on one narrow pattern')
    .description(
      'Lists the features of a model that fire on one narrow pattern, what they fire on, what almost sets them off and what they make likelier. Without --sae, dictionaries are trained on the way.',
    )
    .argument('<model>', 'model folder')
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
  addModelRunOptions(addDictionaryOptions(command));
}

async function runFeatures(
  folder: string,
  flags: FeaturesFlags,
  { io }: CommandHost,
): Promise<void> {
  const result = await withModel(folder, flags, io, async (run) => {
    const { model, engine } = run;
    const open = onEngine(engine);
    const text = await windowsFor(run, flags, io.cwd);
    const dictionaries = await dictionariesFor(run, flags, io.cwd, text.windows);
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
