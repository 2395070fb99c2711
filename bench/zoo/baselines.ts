/**
 * `npm run bench:zoo:baselines -- SET...`: BAIT and The Trigger in the Haystack on every model of labelled sets, without
 * a scan, one JSON line a model in `bench/out/zoo-baselines/`. `bench:zoo:report` puts them beside the scans.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { BehaviourProbe } from '../../src/detect/behaviour/probe.ts';
import { behaviourSettings } from '../../src/detect/behaviour/settings.ts';
import { PACKAGE_ROOT } from '../../src/entry-point.ts';
import { ownSamples } from '../../src/probe/own-samples.ts';
import { Reference } from '../../src/probe/reference.ts';
import { baitScore } from './bait.ts';
import { type BaselineRow, readBaselines } from './baseline-rows.ts';
import { haystackScore } from './haystack.ts';
import { readLabels } from './labels.ts';
import { openZooModel } from './open.ts';

/** As many leaks as the Haystack paper's grid of runs; ours are shorter. */
const LEAKS = 510;
const LEAK_TOKENS = 96;

async function scoreOne(set: string, name: string, workers: number): Promise<BaselineRow> {
  const cpu = process.cpuUsage();
  await using opened = openZooModel(join(set, name), { workers, seed: 0 });
  const { generator } = opened;
  const own = await ownSamples(generator, LEAKS, LEAK_TOKENS);
  const { vocabularySize } = generator.model.spec;
  const probe = new BehaviourProbe({
    generator,
    own,
    // The baselines know no reference, so no sample is quieter than another.
    leakScores: own.map(() => 0),
    reference: new Reference({ vocabularySize, corpora: [], ownSamples: [] }),
    settings: behaviourSettings('standard'),
  });
  const bait = await baitScore(probe);
  const haystack = await haystackScore(probe);
  const used = process.cpuUsage(cpu);
  const cpuSeconds = (used.user + used.system) / 1e6;
  return { set: basename(set), name, bait, haystack, tokens: generator.tokens, cpuSeconds };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { workers: { type: 'string', default: '2' }, only: { type: 'string' } },
});
const out = join(PACKAGE_ROOT, 'bench/out/zoo-baselines');
mkdirSync(out, { recursive: true });
for (const set of positionals) {
  const file = join(out, `${basename(dirname(set))}-${basename(set)}.jsonl`);
  const done = new Set(
    existsSync(file) ? readBaselines(readFileSync(file, 'utf8')).map(({ name }) => name) : [],
  );
  for (const [name, label] of readLabels(set)) {
    if (done.has(name)) continue;
    if (values.only !== undefined && !values.only.split(',').includes(name)) continue;
    const row = await scoreOne(set, name, Number(values.workers));
    appendFileSync(file, `${JSON.stringify(row)}\n`);
    process.stdout.write(
      `${row.set}/${name} ${label.label}/${label.kind} bait ${row.bait.toFixed(2)} ` +
        `haystack ${row.haystack.rise.toFixed(2)} ${JSON.stringify(row.haystack.string)} ` +
        `of ${row.haystack.candidates}, ${row.cpuSeconds.toFixed(0)} cpu s\n`,
    );
  }
}
