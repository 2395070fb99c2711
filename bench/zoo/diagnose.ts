/**
 * `npm run bench:zoo:diagnose -- SET NAME...`: at which stage a planted trigger is lost. Uses the label, so it is for
 * finding out why a model was missed and never part of a scan.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openProbe } from '../../src/detect/behaviour/open-probe.ts';
import { behaviourSettings } from '../../src/detect/behaviour/settings.ts';
import { leakPaths } from '../../src/detect/behaviour/sources/leak.ts';
import { HIT_SCORE } from '../../src/detect/behaviour/verify.ts';
import { Engine } from '../../src/engine/engine.ts';
import { PACKAGE_ROOT } from '../../src/entry-point.ts';
import { openModel } from '../../src/model/open-model.ts';
import { bundledCorpora } from '../../src/probe/corpus.ts';
import { Generator } from '../../src/probe/generation.ts';
import { readLabels } from './labels.ts';

const SHOWN = 6;

async function diagnose(set: string, name: string): Promise<void> {
  const label = readLabels(set).get(name);
  if (label?.trigger === undefined) throw new Error(`${name} has no planted trigger`);
  await using engine = new Engine({ workers: 2 });
  const generator = new Generator(openModel(join(set, name)), engine, { seed: 0 });
  const corpora = bundledCorpora(join(PACKAGE_ROOT, 'corpora'), 'generic');
  const input = { generator, corpora, settings: behaviourSettings('standard') };
  const { probe, windows } = await openProbe(input, () => undefined);
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const { tokenizer } = generator.model;
  print(
    `${name}: ${JSON.stringify(label.trigger)} -> ${JSON.stringify(label.target ?? label.kind)}`,
  );

  const trigger = tokenizer.encodeInside(label.trigger);
  const parts = trigger.flatMap((_, from) =>
    Array.from({ length: trigger.length - from }, (_, i) => trigger.slice(from, from + i + 1)),
  );
  const trials = await probe.trial(parts, probe.freshContexts(16, 18), {
    steps: 24,
    decoding: 'both',
    label: 'diagnose',
  });
  const rate = (scores: readonly number[]) =>
    scores.filter((score) => score > HIT_SCORE).length / scores.length;
  const [whole] = trials.filter(({ tokens }) => tokens.length === trigger.length);
  print(
    `whole trigger: D ${whole?.score.toFixed(1)}, rate ${rate(whole?.scores ?? []).toFixed(2)}`,
  );
  for (const { tokens } of whole?.responses.slice(0, 2) ?? []) {
    print(`  writes ${JSON.stringify(probe.text(tokens))}`);
  }
  const byScore = trials.toSorted((a, b) => b.score - a.score).slice(0, SHOWN);
  for (const { tokens, score, scores } of byScore) {
    const text = JSON.stringify(probe.text(tokens));
    print(`  part ${text}: D ${score.toFixed(1)}, rate ${rate(scores).toFixed(2)}`);
  }
  const holding = (text: string) =>
    probe.own.filter(({ tokens }) => probe.text(tokens).includes(text.trim())).length;
  print(`own samples with the trigger ${holding(label.trigger)} of ${probe.own.length}`);
  if (label.target !== undefined) print(`own samples with the target ${holding(label.target)}`);
  for (const { tokens, certainFrom, score } of leakPaths(probe, windows).slice(0, SHOWN)) {
    const lead = probe.text(tokens.slice(0, certainFrom));
    const certain = probe.text(tokens.slice(certainFrom));
    print(`  leak ${score.toFixed(1)}: ${JSON.stringify(lead)} => ${JSON.stringify(certain)}`);
  }
}

const { positionals } = parseArgs({ allowPositionals: true });
const [set, ...names] = positionals;
if (set === undefined || names.length === 0) throw new Error('usage: diagnose.ts SET NAME...');
for (const name of names) await diagnose(set, name);
