/** `narrowfire sae`: train dictionaries on a model, measure one against a model, say what a file holds. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { onEngine } from '../../engine/open-graph.ts';
import { formatError, ScanError, toScanError } from '../../errors.ts';
import { EXIT } from '../../finding/exit-code.ts';
import { type Site, siteName } from '../../model/graphs/activations.ts';
import { resolvePlace } from '../../model/site-names.ts';
import type { Dictionary } from '../../sae/dictionary.ts';
import { checkFit } from '../../sae/fit.ts';
import { findDictionaries, loadFound, loadSae } from '../../sae/formats/registry.ts';
import { saveSaeLens } from '../../sae/formats/write-saelens.ts';
import { measureQuality } from '../../sae/quality.ts';
import { type LossRecovery, measureRecovery } from '../../sae/recovery.ts';
import { trainSae } from '../../sae/train.ts';
import { readActivations } from '../../sae/train-model.ts';
import type { CommandHost } from '../main.ts';
import {
  addModelRunOptions,
  addTextOptions,
  type ModelRun,
  type ModelRunFlags,
  sitesOf,
  type TextFlags,
  windowsFor,
  withModel,
} from '../model-run.ts';
import { collect, wholeNumber } from '../option-parsers.ts';
import { textTable } from '../table.ts';

interface TrainFlags extends ModelRunFlags, TextFlags {
  readonly site?: readonly string[];
  readonly features?: number;
  readonly k?: number;
  readonly sparsity: 'topk' | 'batchtopk';
  readonly steps: number;
  readonly batch: number;
  readonly out: string;
}

interface EvalFlags extends ModelRunFlags, TextFlags {
  readonly site?: string;
}

/** Sequences that the loss is measured on; three passes through the whole model each. */
const RECOVERY_WINDOWS = 32;

const TRAIN_EXAMPLES = `
Examples:
  narrowfire sae train ./model --site resid_post.3 --out ./sae
  narrowfire sae train ./model --site resid_post.0 --site resid_post.2 --corpus text.jsonl --out ./saes

Each dictionary is written as a SAELens folder; several sites give one folder each below --out.
`;

export function addSaeCommand(program: Command, host: CommandHost): void {
  const sae = program
    .command('sae')
    .summary('train, measure and inspect sparse autoencoders')
    .description('Trains, measures and inspects sparse autoencoders.');
  const train = sae
    .command('train')
    .description("Trains a sparse autoencoder on a model's inner values.")
    .argument('<model>', 'model folder')
    .option('--site <name>', 'where to read (repeatable); default: the middle layer', collect)
    .option('--features <n>', 'features; default 8 times the width, at least 512', wholeNumber(2))
    .option('--k <n>', 'active features a token; default width / 16, at least 8', wholeNumber(1))
    .option('--sparsity <kind>', 'topk or batchtopk', sparsityOf, 'topk')
    .option('--steps <n>', 'training steps', wholeNumber(1), 1500)
    .option('--batch <n>', 'tokens a step', wholeNumber(1), 1024)
    .requiredOption('-o, --out <dir>', 'folder to write')
    .addHelpText('after', TRAIN_EXAMPLES)
    .action(async (folder: string, flags: TrainFlags) => {
      await runTrain(folder, flags, host);
    });
  addModelRunOptions(addTextOptions(train, 65_536));
  const evaluate = sae
    .command('eval')
    .description(
      'Measures how well a sparse autoencoder explains a model. Ends with 1 if it does not fit.',
    )
    .argument('<model>', 'model folder')
    .argument('<sae>', 'sparse autoencoder, a folder or file')
    .option('--site <name>', 'where it reads, if its files do not say')
    .action(async (folder: string, path: string, flags: EvalFlags) => {
      await runEval(folder, path, flags, host);
    });
  addModelRunOptions(addTextOptions(evaluate, 16_384));
  sae
    .command('show')
    .description('Lists the sparse autoencoders under a path and what each is.')
    .argument('<path>', 'folder or file')
    .option('--json', 'print JSON')
    .action((path: string, flags: { readonly json?: boolean }) => runShow(path, flags, host));
}

function sparsityOf(text: string): TrainFlags['sparsity'] {
  if (text === 'topk' || text === 'batchtopk') return text;
  throw new ScanError('E_USAGE', `--sparsity is ${JSON.stringify(text)}, wanted topk or batchtopk`);
}

async function runTrain(folder: string, flags: TrainFlags, { io }: CommandHost): Promise<void> {
  const rows = await withModel(folder, flags, io, async (run) => {
    const { model, engine } = run;
    const middle = `resid_post.${Math.floor((model.spec.blocks.length - 1) / 2)}`;
    const sites = sitesOf(model, flags.site ?? [middle]);
    const text = await windowsFor(run, flags, io.cwd);
    const open = onEngine(engine);
    const activations = await readActivations(model.spec, sites, text.windows, {
      skip: model.tokenizer.special,
      open,
    });
    const results = [];
    for (const [index, site] of sites.entries()) {
      const name = siteName(site);
      const width = activations.widths.get(name) ?? model.spec.width;
      const started = engine.cpuMicroseconds;
      const trained = await trainSae(activations.values.get(name) ?? new Float32Array(0), width, {
        featureCount: flags.features ?? Math.max(512, 8 * width),
        k: flags.k ?? Math.max(8, Math.round(width / 16)),
        sparsity: flags.sparsity,
        steps: flags.steps,
        batchTokens: flags.batch,
        seed: flags.seed + index,
        skip: activations.skip,
        site,
        open,
        onProgress: ({ step, steps, explainedVariance }) => {
          run.tell(`${name}, explained ${explainedVariance.toFixed(3)}`, step, steps, 'steps');
        },
      });
      const recovery = await recoveryOf(run, site, trained.dictionary, text.windows);
      const out = resolve(io.cwd, flags.out, sites.length === 1 ? '.' : name);
      saveSaeLens(trained.dictionary, out, {
        modelName: folder,
        prependBos: model.tokenizer.bos !== undefined,
        contextSize: flags.window,
      });
      results.push({
        site: name,
        features: trained.dictionary.featureCount,
        k: flags.k ?? Math.max(8, Math.round(width / 16)),
        tokens: activations.tokens,
        text: text.source,
        explainedVariance: trained.quality.explainedVariance,
        l0: trained.quality.l0,
        deadShare: trained.quality.deadShare,
        revived: trained.revivedFeatures,
        dropped: trained.droppedTokens,
        lossRecovered: recovery?.recovered ?? null,
        cpuSeconds: (engine.cpuMicroseconds - started) / 1e6,
        folder: out,
      });
    }
    return results;
  });
  if (flags.json === true) {
    io.stdout(`${JSON.stringify(rows)}\n`);
    return;
  }
  io.stdout(
    textTable(
      ['site', 'features', 'k', 'EV', 'L0', 'dead %', 'loss recovered', 'CPU s', 'folder'],
      rows.map((row) => [
        row.site,
        row.features,
        row.k,
        Number(row.explainedVariance.toFixed(4)),
        Number(row.l0.toFixed(2)),
        Number((100 * row.deadShare).toFixed(1)),
        row.lossRecovered === null ? '-' : row.lossRecovered.toFixed(4),
        Number(row.cpuSeconds.toFixed(1)),
        row.folder,
      ]),
    ),
  );
}

async function runEval(
  folder: string,
  path: string,
  flags: EvalFlags,
  { io, exit }: CommandHost,
): Promise<void> {
  const dictionary = loadSae(resolve(io.cwd, path));
  const result = await withModel(folder, flags, io, async (run) => {
    const { model, engine } = run;
    const site = siteToRead(run, dictionary, flags.site);
    const wanted = dictionary.outputSite === undefined ? [site] : [site, dictionary.outputSite];
    const text = await windowsFor(run, flags, io.cwd);
    const open = onEngine(engine);
    const activations = await readActivations(model.spec, wanted, text.windows, {
      skip: model.tokenizer.special,
      open,
    });
    const [input, output] = wanted.map((place) =>
      withoutSkipped(
        activations.values.get(siteName(place)) ?? new Float32Array(0),
        activations.skip,
      ),
    );
    if (input === undefined || input.length % dictionary.inputWidth !== 0) {
      throw new ScanError(
        'E_SAE',
        `it reads ${dictionary.inputWidth} values, ${siteName(site)} has another width`,
      );
    }
    const quality = await measureQuality(dictionary, input, output ?? input, open);
    const fit = checkFit(dictionary, quality);
    const recovery = await recoveryOf(run, site, dictionary, text.windows);
    return { site: siteName(site), text: text.source, quality, fit, recovery };
  });
  if (!result.fit.fits) exit(EXIT.findings);
  const { quality, recovery, fit } = result;
  const { firings, ...figures } = quality;
  if (flags.json === true) {
    io.stdout(
      `${JSON.stringify({ site: result.site, text: result.text, ...figures, fit, recovery })}\n`,
    );
    return;
  }
  io.stdout(
    textTable(
      ['site', 'features', 'tokens', 'EV', 'L0', 'dead %', 'loss clean / SAE / zero', 'recovered'],
      [
        [
          result.site,
          firings.length,
          quality.tokens,
          Number(quality.explainedVariance.toFixed(4)),
          Number(quality.l0.toFixed(2)),
          Number((100 * quality.deadShare).toFixed(1)),
          recovery === undefined ? '-' : lossesOf(recovery),
          recovery === undefined ? '-' : recovery.recovered.toFixed(4),
        ],
      ],
    ),
  );
  io.stdout(fit.fits ? 'It fits this site.\n' : `It does not fit this site: ${fit.problem}.\n`);
}

function runShow(
  path: string,
  flags: { readonly json?: boolean },
  { io, exit }: CommandHost,
): void {
  const found = findDictionaries(resolve(io.cwd, path));
  if (found.length === 0) {
    throw new ScanError('E_SAE', 'no sparse autoencoder is here', { file: path });
  }
  const rows = [];
  for (const entry of found) {
    try {
      rows.push({ label: entry.label, ...describe(loadFound(entry)) });
    } catch (thrown) {
      io.stderr(`${formatError(toScanError(thrown, join(path, entry.label)))}\n`);
      exit(EXIT.incomplete);
    }
  }
  if (flags.json === true) {
    io.stdout(`${JSON.stringify(rows)}\n`);
    return;
  }
  io.stdout(
    textTable(
      ['file', 'format', 'site', 'width', 'features', 'gate', 'bias subtracted', 'input norm'],
      rows.map((row) => [
        row.label,
        row.format,
        row.site ?? `(${row.siteText})`,
        row.inputWidth,
        row.features,
        row.gate,
        row.subtractsDecoderBias ? 'yes' : 'no',
        row.inputNorm,
      ]),
    ),
  );
}

function describe(dictionary: Dictionary) {
  const { gate, site, origin } = dictionary;
  return {
    format: origin.format,
    architecture: origin.architecture,
    role: dictionary.role,
    site: site === undefined ? null : siteName(site),
    siteText: origin.siteText,
    inputWidth: dictionary.inputWidth,
    outputWidth: dictionary.outputWidth,
    features: dictionary.featureCount,
    gate: 'k' in gate ? `${gate.kind} ${gate.k}` : gate.kind,
    subtractsDecoderBias: dictionary.subtractDecoderBias,
    inputNorm: dictionary.inputNorm.kind,
  };
}

function siteToRead(run: ModelRun, dictionary: Dictionary, asked: string | undefined): Site {
  const { spec } = run.model;
  if (asked !== undefined) {
    const place = resolvePlace(spec, asked);
    if (place === 'logits') throw new ScanError('E_USAGE', 'logits are no site for a dictionary');
    return place;
  }
  if (dictionary.site !== undefined) return dictionary.site;
  throw new ScanError(
    'E_SAE',
    `its site ${JSON.stringify(dictionary.origin.siteText)} is not known here`,
    {
      hint: 'Name one with --site.',
    },
  );
}

/** Only for models that predict text, and autoencoders: a transcoder's output stands for another place. */
async function recoveryOf(
  { model, engine }: ModelRun,
  site: Site,
  dictionary: Dictionary,
  windows: readonly (readonly number[])[],
): Promise<LossRecovery | undefined> {
  if (model.spec.head === undefined || !model.spec.causal || dictionary.role === 'transcoder') {
    return undefined;
  }
  return measureRecovery(model.spec, site, dictionary, windows.slice(-RECOVERY_WINDOWS), {
    open: onEngine(engine),
  });
}

function lossesOf({ clean, spliced, zeroed }: LossRecovery): string {
  return [clean, spliced, zeroed].map((loss) => loss.toFixed(3)).join(' / ');
}

function withoutSkipped(values: Float32Array, skip: Uint8Array): Float32Array {
  const width = values.length / skip.length;
  const kept = skip.reduce((count, flag) => count + (flag === 0 ? 1 : 0), 0);
  const result = new Float32Array(kept * width);
  let row = 0;
  skip.forEach((flag, token) => {
    if (flag === 1) return;
    result.set(values.subarray(token * width, (token + 1) * width), row++ * width);
  });
  return result;
}
