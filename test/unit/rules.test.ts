/** Walks every rule folder: a rule is its file, its page and its cases, and all of them must hold. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Evidence } from '../../src/evidence/evidence.ts';
import { BUILTIN_RULES, loadRules, ruleFolders } from '../../src/judge/load-rules.ts';
import { type CaseOutcome, runRuleCases } from '../../src/judge/rule-cases.ts';
import { findTaxon, loadTaxonomies } from '../../src/judge/taxonomy.ts';
import { runFileStage } from '../../src/scan/file-stage.ts';
import { findTargets } from '../../src/scan/targets.ts';

const HEADINGS = [
  'What it finds',
  'Why it matters',
  'Evidence shown',
  'Limits and false positives',
  'What to do',
  'References',
];

async function fileStage(path: string): Promise<readonly Evidence[]> {
  const [target] = (await findTargets([path])).targets;
  if (target === undefined) throw new Error(`no target at ${path}`);
  return (await runFileStage(target)).evidence;
}

const rules = loadRules();
const taxonomies = loadTaxonomies();

describe.each(rules.map((rule) => [rule.name, rule] as const))('%s', (_name, rule) => {
  let outcomes: readonly CaseOutcome[] = [];
  beforeAll(async () => {
    outcomes = await runRuleCases(rule, fileStage);
  });

  it('has a page with every heading, in order and not empty', () => {
    const sections = rule.markdown.split(/^## /m).slice(1);
    expect(sections.map((section) => section.split('\n', 1)[0])).toEqual(HEADINGS);
    for (const section of sections) {
      expect(section.split('\n').slice(1).join('').trim().length).toBeGreaterThan(10);
    }
  });

  it('names only taxa of the pinned table', () => {
    for (const id of rule.taxa) expect(findTaxon(id, taxonomies), id).toBeDefined();
  });

  it('has positive and negative cases', () => {
    const names = readdirSync(join(rule.folder, 'cases'));
    expect(names.filter((name) => name.startsWith('positive-')).length).toBeGreaterThan(0);
    expect(names.filter((name) => name.startsWith('negative-')).length).toBeGreaterThan(0);
    expect(names.filter((name) => !/^(positive|negative)-/.test(name))).toEqual([]);
  });

  it('decides its cases as they say', () => {
    for (const outcome of outcomes) expect(outcome.problem, outcome.name).toBeUndefined();
    expect(outcomes.length).toBeGreaterThan(1);
  });

  it('has a message that its cases fill completely', () => {
    for (const outcome of outcomes) {
      expect(outcome.messages.join('\n'), outcome.name).not.toContain('(absent)');
    }
  });
});

describe('the rule folder', () => {
  it('has no folder without a rule and no rule number outside the plan', () => {
    const folders = readdirSync(BUILTIN_RULES, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(BUILTIN_RULES, entry.name));
    expect(ruleFolders(BUILTIN_RULES)).toEqual(folders.toSorted());
    for (const rule of rules) expect(rule.id).toMatch(/^NF[123459]\d{3}$/);
  });

  it('carries ATLAS ids with the names of the pinned release', () => {
    const rows = readFileSync('test/conformance/atlas-ids.csv', 'utf8')
      .trim()
      .split(/\r?\n/)
      .slice(1);
    const names = new Map(
      rows.map((row) => {
        const [, id = '', ...rest] = row.split(',');
        return [id, rest.join(',').replace(/^"|"$/g, '').replaceAll('""', '"')];
      }),
    );
    for (const taxonomy of taxonomies.filter(({ name }) => name.startsWith('ATLAS'))) {
      for (const [id, name] of Object.entries(taxonomy.items)) expect(names.get(id), id).toBe(name);
    }
  });

  it('is shipped in the package', () => {
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] };
    expect(manifest.files).toContain('rules');
    expect(existsSync(join(BUILTIN_RULES, 'taxonomies.yaml'))).toBe(true);
  });
});
