/**
 * Encoders and classifiers with known ground truth: `npm run bench:encoder -- FOLDER...`, each a folder of model folders
 * with labels.json (bench/zoo/README.md tells how classifiers are made). Prints one row a model.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Evidence } from '../src/evidence/evidence.ts';
import { evaluate } from '../src/judge/evaluate.ts';
import { loadRules } from '../src/judge/load-rules.ts';
import { runBehaviourStages } from '../src/scan/behaviour-stage.ts';
import type { StageOutcome } from '../src/scan/stage.ts';

const LABELS = z.record(
  z.string(),
  z.object({
    label: z.string(),
    trigger: z.string().optional(),
    attack_success: z.number().optional(),
  }),
);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    profile: { type: 'string', default: 'standard' },
    only: { type: 'string' },
    seed: { type: 'string', default: '0' },
    workers: { type: 'string', default: '2' },
  },
});
const profile = z.enum(['quick', 'standard', 'deep']).parse(values.profile);
const only = values.only?.split(',');
const rules = loadRules();

function cell(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll('|', '\\|')}\``;
}

function strongest(evidence: readonly Evidence[]) {
  const facts = evidence.flatMap((fact) =>
    fact.kind === 'embedding-collapse' || fact.kind === 'class-flip' ? [fact] : [],
  );
  return facts.toSorted((a, b) => b.moved - a.moved)[0];
}

async function row(folder: string, name: string, label: z.infer<typeof LABELS>[string]) {
  const root = resolve(folder, name);
  const target = { given: root, root, name, kind: 'model-folder' } as const;
  const outcomes: StageOutcome[] = [];
  const before = process.cpuUsage();
  const options = {
    profile,
    seed: Number(values.seed),
    device: 'cpu',
    workers: Number(values.workers),
  } as const;
  await runBehaviourStages(target, options, (_stage, outcome) => outcomes.push(outcome));
  const used = process.cpuUsage(before);
  const evidence = outcomes.flatMap((outcome) => outcome.evidence);
  const errors = outcomes.flatMap((outcome) => outcome.errors);
  if (errors.length > 0) return [name, label.label, ...errors.map(({ message }) => message)];
  const { findings } = evaluate(evidence, rules);
  const alarm = findings.find(({ level }) => level === 'error');
  const fact = strongest(evidence);
  const layers = evidence.flatMap((one) => (one.kind === 'causal-direction' ? [one] : []));
  const carrying = layers.toSorted((a, b) => b.necessity.mean - a.necessity.mean)[0];
  return [
    name,
    label.label,
    label.trigger === undefined ? '–' : cell(label.trigger),
    alarm === undefined ? 'none' : alarm.ruleId,
    fact === undefined ? '–' : cell(fact.triggerText),
    fact === undefined ? '–' : cell(fact.minimalText),
    fact?.extendedText === undefined ? '–' : cell(fact.extendedText),
    fact === undefined ? '–' : `${fact.rate.hits}/${fact.rate.trials}`,
    fact === undefined ? '–' : fact.moved.toFixed(3),
    fact === undefined ? '–' : `${fact.controlRate.hits}/${fact.controlRate.trials}`,
    carrying === undefined
      ? '–'
      : `${carrying.site}: ${carrying.necessity.mean.toFixed(2)} (random ${carrying.necessityRandom.mean.toFixed(2)})`,
    String(outcomes.reduce((sum, { tokens }) => sum + tokens, 0)),
    ((used.user + used.system) / 1e6).toFixed(0),
  ];
}

const HEAD = [
  'model',
  'label',
  'planted trigger',
  'finding',
  'strongest string',
  'shortest that works',
  'longer form',
  'texts',
  'moved',
  'controls',
  'layer that carries it',
  'tokens',
  'CPU s',
];
const print = (cells: readonly string[]) => process.stdout.write(`| ${cells.join(' | ')} |\n`);
print(HEAD);
print(HEAD.map(() => '---'));
for (const folder of positionals) {
  const labels = LABELS.parse(JSON.parse(readFileSync(join(folder, 'labels.json'), 'utf8')));
  for (const [name, label] of Object.entries(labels).toSorted()) {
    if (only === undefined || only.includes(name)) print(await row(folder, name, label));
  }
}
