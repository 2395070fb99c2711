/**
 * `npm run bench:sources -- SET...`: the best screened score that each source of candidates reaches alone, one JSON line
 * a model in `bench/out/sources/`; `--report` prints the tables. All sources work on one probe and one set of windows, keep as
 * many paths, and go through the same three screens.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { openProbe } from '../../../src/detect/behaviour/open-probe.ts';
import type { BehaviourProbe, ScoredString } from '../../../src/detect/behaviour/probe.ts';
import {
  type Candidate,
  type CandidateString,
  cutPaths,
  searchCandidates,
} from '../../../src/detect/behaviour/search.ts';
import { behaviourSettings } from '../../../src/detect/behaviour/settings.ts';
import { searchFrames } from '../../../src/detect/behaviour/sources/frames.ts';
import { inversionStrings } from '../../../src/detect/behaviour/sources/inversion.ts';
import { leakPaths } from '../../../src/detect/behaviour/sources/leak.ts';
import {
  lexiconCandidates,
  lexiconStrings,
} from '../../../src/detect/behaviour/sources/lexicon.ts';
import { motifPaths } from '../../../src/detect/behaviour/sources/motif.ts';
import { singleTokens } from '../../../src/detect/behaviour/sources/single.ts';
import { sweepPaths, sweepVocabulary } from '../../../src/detect/behaviour/sources/sweep.ts';
import { PACKAGE_ROOT } from '../../../src/entry-point.ts';
import { lazyLists } from '../../../src/judge/lists.ts';
import type { Corpus } from '../../../src/probe/corpus.ts';
import { type Label, readLabels } from '../labels.ts';
import { corporaOf, openZooModel } from '../open.ts';
import {
  type ActivationBench,
  certaintyPaths,
  errorPaths,
  logitPaths,
  mahalanobisPaths,
  narrowPaths,
  openActivationBench,
  pcaPaths,
} from './activations.ts';
import { printSourceTables, type SourceRow, type SourceScore } from './report.ts';
import {
  type DirectionGroup,
  decoderDirections,
  medianNorm,
  neuronDirections,
  randomDirections,
  type Stimulated,
  stimulate,
  stimulatedStrings,
} from './stimulate.ts';
import { sourceTexts } from './texts.ts';

const FRAME_LIST = 'trigger-controls-output/frames';
const OWN_WINDOWS = 1024;
const RANDOM_DIRECTIONS = 256;

/** Either strings to screen, or strings that a source has screened itself. */
interface Found {
  readonly strings?: readonly CandidateString[];
  readonly strong?: readonly Candidate[];
}

async function scoreSources(folder: string, workers: number): Promise<Record<string, SourceScore>> {
  await using opened = openZooModel(folder, { workers, seed: 0 });
  const { generator } = opened;
  const settings = behaviourSettings('standard');
  const corpora = corporaOf('bundled');
  const { probe, excess, windows } = await openProbe(
    { generator, settings, corpora },
    () => undefined,
  );
  const scores: Record<string, SourceScore> = {};
  const add = async (name: string, find: () => Promise<Found> | Found) => {
    const before = generator.tokens;
    const { strings = [], strong = [] } = await find();
    const found = generator.tokens - before;
    const {
      ranked: [best],
    } = await searchCandidates(probe, strings, strong);
    scores[name] = {
      score: best?.score ?? 0,
      string: probe.text(best?.tokens ?? []),
      behaviour: probe.text(best?.responses[0]?.tokens ?? []),
      strings: strings.length + strong.length,
      tokensToFind: found,
    };
  };
  await add('leak', () => ({ strings: cutPaths(leakPaths(probe, windows)) }));
  await add('motif', () => ({ strings: cutPaths(motifPaths(probe, excess)) }));
  await add('sweep', async () => ({
    strings: cutPaths(sweepPaths(probe, await sweepVocabulary(probe))),
  }));
  await add('frame', async () => {
    const { strings, paths } = await searchFrames(probe, lazyLists()(FRAME_LIST));
    return { strings: [...strings, ...cutPaths(paths)] };
  });
  await add('inversion', async () => {
    return { strings: await inversionStrings(probe, leakPaths(probe, windows)) };
  });
  await add('single', async () => ({ strong: scored(await singleTokens(probe), 'single') }));
  await add('lexicon', async () => ({ strong: await fromLexicon(probe, corpora) }));
  const bench = await openActivationBench(probe, await sourceTexts(probe, corpora, OWN_WINDOWS));
  await add('logit-only', () => ({ strings: cutPaths(logitPaths(bench)) }));
  await add('mahalanobis', () => ({ strings: cutPaths(mahalanobisPaths(bench)) }));
  await add('pca', () => ({ strings: cutPaths(pcaPaths(bench)) }));
  await add('narrow', () => ({ strings: cutPaths(narrowPaths(bench)) }));
  await add('certainty', () => ({ strings: cutPaths(certaintyPaths(bench)) }));
  await add('error', () => ({ strings: cutPaths(errorPaths(bench)) }));
  await add('decoder', () => stimulated(bench, 'decoder'));
  await add('neuron', () => stimulated(bench, 'neuron'));
  await add('random', () => stimulated(bench, 'random'));
  return scores;
}

function scored(found: readonly ScoredString[], source: Candidate['source']): Candidate[] {
  return found.map((one) => ({ ...one, source }));
}

async function fromLexicon(
  probe: BehaviourProbe,
  corpora: readonly Corpus[],
): Promise<Candidate[]> {
  const documents = corpora.flatMap((corpus) => corpus.documents);
  const canonical = [...lazyLists()('trigger-controls-output/canonical')];
  const strings = lexiconStrings(probe, { documents, canonical });
  return scored((await lexiconCandidates(probe, strings)).kept, 'lexicon');
}

async function stimulated(
  bench: ActivationBench,
  kind: 'decoder' | 'neuron' | 'random',
): Promise<Found> {
  const found: Stimulated[] = [];
  for (const entry of bench.dictionaries) {
    const norm = medianNorm(bench, entry.site);
    const group: DirectionGroup | undefined =
      kind === 'decoder'
        ? decoderDirections(entry, norm)
        : kind === 'neuron'
          ? neuronDirections(bench.probe, entry.site, norm)
          : randomDirections(bench.probe, entry.site, norm, RANDOM_DIRECTIONS);
    if (group !== undefined) found.push(...(await stimulate(bench.probe, group)));
  }
  return { strings: stimulatedStrings(found) };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workers: { type: 'string', default: '2' },
    only: { type: 'string' },
    report: { type: 'boolean', default: false },
  },
});
const out = join(PACKAGE_ROOT, 'bench/out/sources');
mkdirSync(out, { recursive: true });

function rowsIn(file: string): SourceRow[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as SourceRow);
}

async function scoreSet(set: string): Promise<void> {
  const file = join(out, `${basename(dirname(set))}-${basename(set)}.jsonl`);
  const done = new Set(rowsIn(file).map(({ name }) => name));
  const wanted = values.only?.split(',');
  for (const [name, label] of readLabels(set) as ReadonlyMap<string, Label>) {
    if (done.has(name) || (wanted !== undefined && !wanted.includes(name))) continue;
    const cpu = process.cpuUsage();
    const sources = await scoreSources(join(set, name), Number(values.workers));
    const used = process.cpuUsage(cpu);
    const cpuSeconds = (used.user + used.system) / 1e6;
    const row: SourceRow = { set: basename(set), name, label, sources, cpuSeconds };
    appendFileSync(file, `${JSON.stringify(row)}\n`);
    const line = Object.entries(sources).map(([key, one]) => `${key} ${one.score.toFixed(0)}`);
    process.stdout.write(`${row.set}/${name} ${cpuSeconds.toFixed(0)} cpu s  ${line.join(', ')}\n`);
  }
}

for (const set of positionals) await scoreSet(set);
if (values.report) {
  const files = readdirSync(out).filter((name) => name.endsWith('.jsonl'));
  printSourceTables(files.sort().flatMap((name) => rowsIn(join(out, name))));
}
