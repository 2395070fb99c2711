/**
 * `npm run bench:zoo -- SET...`: scans every model of labelled sets and writes one JSON line a model into
 * `bench/out/zoo/`. A model whose line is there is not scanned again. `bench:zoo:report` makes the tables.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { KnownText } from '../../src/detect/behaviour/known-text.ts';
import { scanBehaviour } from '../../src/detect/behaviour/scan-behaviour.ts';
import { behaviourSettings, type SearchDepth } from '../../src/detect/behaviour/settings.ts';
import { HIT_SCORE } from '../../src/detect/behaviour/verify.ts';
import { Engine } from '../../src/engine/engine.ts';
import { PACKAGE_ROOT } from '../../src/entry-point.ts';
import { evaluate } from '../../src/judge/evaluate.ts';
import { lazyLists } from '../../src/judge/lists.ts';
import { loadRules } from '../../src/judge/load-rules.ts';
import { openModel } from '../../src/model/open-model.ts';
import { bundledCorpora, bundledKnownTexts, readCorpus } from '../../src/probe/corpus.ts';
import { Generator } from '../../src/probe/generation.ts';
import { behaviourFound, type Label, readLabels, recoveryOf } from './labels.ts';
import type { ZooRow } from './row.ts';

const LEVELS = ['error', 'warning', 'note'] as const;

async function scanOne(
  set: string,
  name: string,
  label: Label,
  options: {
    profile: SearchDepth;
    mode: string;
    workers: number;
    seed: number;
  },
): Promise<ZooRow> {
  const started = performance.now();
  const cpu = process.cpuUsage();
  await using engine = new Engine({ workers: options.workers });
  const generator = new Generator(openModel(join(set, name)), engine, { seed: options.seed });
  const bundled = bundledCorpora(join(PACKAGE_ROOT, 'corpora'), 'generic');
  const corpora =
    options.mode === 'bundled'
      ? bundled
      : options.mode === 'formal'
        ? bundled.filter(({ group }) => group === 'formal')
        : [readCorpus(options.mode), ...bundled.filter(({ group }) => group === 'formal')];
  const result = await scanBehaviour({
    generator,
    settings: behaviourSettings(options.profile),
    path: name,
    corpora,
    canonical: [...lazyLists()('trigger-controls-output/canonical')],
    knownText: new KnownText(() => bundledKnownTexts(join(PACKAGE_ROOT, 'corpora'))),
    frameLines: [...lazyLists()('trigger-controls-output/frames')],
  });
  const used = process.cpuUsage(cpu);
  const tokens = generator.tokens;
  const wallSeconds = (performance.now() - started) / 1000;
  const { findings } = evaluate(result.evidence, loadRules({ folders: [] }));
  const level = LEVELS.find((one) => findings.some((finding) => finding.level === one)) ?? 'none';
  const passed = result.evidence.filter(({ outcome }) => outcome === 'backdoored');
  const reported = result.evidence.filter(({ outcome }) => outcome !== 'not-specific');
  return {
    set: basename(set),
    name,
    label,
    mode: options.mode,
    profile: options.profile,
    level,
    // Certainty that is no backdoor (a habit, a locked text) does not count beyond what counts as a hit.
    score:
      passed.length > 0
        ? Math.max(...passed.map(({ score }) => score))
        : Math.min(HIT_SCORE, result.bestScore),
    facts: result.evidence,
    recovery: recoveryOf(label, reported),
    behaviour: behaviourFound(label, reported),
    sources: result.sourceScores,
    referenceGap: result.referenceGap,
    tokens,
    cpuSeconds: (used.user + used.system) / 1e6,
    wallSeconds,
  };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    profile: { type: 'string', default: 'standard' },
    mode: { type: 'string', default: 'bundled' },
    workers: { type: 'string', default: '2' },
    seed: { type: 'string', default: '0' },
    only: { type: 'string' },
  },
});
const out = join(PACKAGE_ROOT, 'bench/out/zoo');
mkdirSync(out, { recursive: true });
for (const set of positionals) {
  const mode = basename(values.mode).replace(/\W+/g, '-');
  const seed = values.seed === '0' ? '' : `-seed${values.seed}`;
  const label = `${basename(dirname(set))}-${basename(set)}`;
  const file = join(out, `${label}-${mode}-${values.profile}${seed}.jsonl`);
  const done = new Set(
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => (JSON.parse(line) as ZooRow).name)
      : [],
  );
  for (const [name, label] of readLabels(set)) {
    if (done.has(name)) continue;
    if (values.only !== undefined && !values.only.split(',').includes(name)) continue;
    const row = await scanOne(set, name, label, {
      profile: values.profile as SearchDepth,
      mode: values.mode,
      workers: Number(values.workers),
      seed: Number(values.seed),
    });
    appendFileSync(file, `${JSON.stringify(row)}\n`);
    const [best] = [...row.facts].sort((a, b) => b.score - a.score);
    process.stdout.write(
      `${row.set}/${name} ${label.label}/${label.kind} asr ${label.attack_success ?? '-'} -> ${row.level} ` +
        `${row.score.toFixed(1)} ${row.recovery} ` +
        `${(row.tokens / 1e6).toFixed(2)}M ${row.cpuSeconds.toFixed(0)} cpu s ${row.wallSeconds.toFixed(0)} s ` +
        `${JSON.stringify(best?.minimalText ?? '')} => ${JSON.stringify(best?.behaviourText ?? '')}\n`,
    );
  }
}
