/** `narrowfire rules`: what is looked for; and for people who write rules, whether theirs hold. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { formatError, toScanError } from '../../errors.ts';
import type { Evidence } from '../../evidence/evidence.ts';
import { EXIT } from '../../finding/exit-code.ts';
import { BUILTIN_RULES, loadRule, loadRules, ruleFolders } from '../../judge/load-rules.ts';
import type { Rule } from '../../judge/rule.ts';
import { runRuleCases } from '../../judge/rule-cases.ts';
import { shippedCalibration } from '../../judge/shipped-calibration.ts';
import { findTaxon, loadTaxonomies } from '../../judge/taxonomy.ts';
import { wrap } from '../../report/pretty.ts';
import { runFileStage } from '../../scan/file-stage.ts';
import { findTargets } from '../../scan/targets.ts';
import type { Io } from '../io.ts';
import type { CommandHost } from '../main.ts';
import { collect } from '../option-parsers.ts';
import { rulePlain } from './explain.ts';

const EXAMPLES = `
Examples:
  narrowfire rules list --json
  narrowfire rules validate ./our-rules        read the files, check conditions, messages and taxa
  narrowfire rules test ./our-rules            run the cases of each rule
`;

export function addRulesCommand(program: Command, { io, exit }: CommandHost): void {
  const rules = program
    .command('rules')
    .summary('list, validate and test rules')
    .description('Lists the rules; validates and tests rule folders, shipped or own.')
    .addHelpText('after', EXAMPLES);
  rules
    .command('list')
    .description('Lists the rules with level and title.')
    .option('--rules <dir>', 'folder of own rules (repeatable)', collect)
    .option('--json', 'print JSON')
    .action((flags: { readonly rules?: readonly string[]; readonly json?: boolean }) => {
      const all = loadRules({ folders: flags.rules ?? [] });
      if (flags.json === true) io.stdout(`${JSON.stringify(all.map(rulePlain), null, 1)}\n`);
      else {
        for (const rule of all) io.stdout(listLine(rule, all));
        const { name, basis } = shippedCalibration();
        io.stdout(`\n${wrap(`Thresholds (${name}): ${basis}`, 100, '')}\n`);
      }
    });
  rules
    .command('validate')
    .description('Reads rule folders and checks files, conditions, messages, taxa and pages.')
    .argument('[dir...]', 'rule folders (default: the shipped rules)')
    .action((folders: string[]) => exit(validate(folders, io)));
  rules
    .command('test')
    .description('Runs the cases of rules: evidence files, and files through the file stage.')
    .argument('[dir...]', 'rule folders (default: the shipped rules)')
    .action(async (folders: string[]) => exit(await test(folders, io)));
}

function listLine(rule: Rule, all: readonly Rule[]): string {
  const width = Math.max(...all.map(({ name }) => name.length));
  return `${rule.id}  ${rule.level.padEnd(7)}  ${rule.name.padEnd(width)}  ${rule.title}\n`;
}

/** Loads every rule on its own, so that one broken file does not hide the next. */
function* loadEach(folders: readonly string[], io: Io): Iterable<Rule | undefined> {
  for (const root of folders.length === 0 ? [BUILTIN_RULES] : folders) {
    const found = ruleFolders(resolve(root));
    if (found.length === 0) {
      io.stderr(`E_RULE ${root}: no rule.yaml in it.\n`);
      yield undefined;
    }
    for (const folder of found) {
      try {
        yield loadRule(folder, root);
      } catch (error) {
        io.stderr(`${formatError(toScanError(error))}\n`);
        yield undefined;
      }
    }
  }
}

function validate(folders: readonly string[], io: Io): number {
  const taxonomies = loadTaxonomies();
  let bad = 0;
  let good = 0;
  for (const rule of loadEach(folders, io)) {
    const problems: string[] = [];
    if (rule === undefined) {
      bad += 1;
      continue;
    }
    for (const id of rule.taxa) {
      if (findTaxon(id, taxonomies) === undefined) problems.push(`taxa: ${id} is not pinned`);
    }
    if (rule.markdown === '') problems.push('doc.md is missing');
    for (const problem of problems) io.stderr(`E_RULE ${rule.id} ${rule.name}: ${problem}.\n`);
    if (problems.length > 0) bad += 1;
    else good += 1;
  }
  io.stdout(`${good} valid, ${bad} wrong\n`);
  return bad > 0 ? EXIT.usage : EXIT.ok;
}

async function fileStage(path: string): Promise<readonly Evidence[]> {
  const { targets } = await findTargets([path]);
  const outcomes = await Promise.all(targets.map((target) => runFileStage(target)));
  return outcomes.flatMap((outcome) => outcome.evidence);
}

async function test(folders: readonly string[], io: Io): Promise<number> {
  let passed = 0;
  let failed = 0;
  for (const rule of loadEach(folders, io)) {
    if (rule === undefined) {
      failed += 1;
      continue;
    }
    for (const { name, problem } of await runRuleCases(rule, fileStage)) {
      if (problem === undefined) passed += 1;
      else failed += 1;
      io.stdout(`${problem === undefined ? 'ok  ' : 'FAIL'}  ${rule.id} ${rule.name}/${name}`);
      io.stdout(problem === undefined ? '\n' : `: ${problem}\n`);
    }
  }
  io.stdout(`${passed} passed, ${failed} failed\n`);
  return failed > 0 ? EXIT.findings : EXIT.ok;
}
