/** `narrowfire explain`: a rule's page, or one finding of a stored result with everything known about it. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { ScanError } from '../../errors.ts';
import type { Finding, ScanResult } from '../../finding/finding.ts';
import { loadRules } from '../../judge/load-rules.ts';
import type { Rule } from '../../judge/rule.ts';
import { findTaxon, loadTaxonomies } from '../../judge/taxonomy.ts';
import { wrap } from '../../report/pretty.ts';
import { readResult } from '../../report/read-result.ts';
import { clip, visible, visibleLine } from '../../report/safe-text.ts';
import type { CommandHost } from '../main.ts';
import { collect } from '../option-parsers.ts';

const DEFAULT_RESULT = 'narrowfire-report/result.json';
const MIN_FINGERPRINT = 6;

const EXAMPLES = `
Examples:
  narrowfire explain NF5001
  narrowfire explain trigger-controls-output
  narrowfire explain 3f9a02c1 --from result.json
`;

interface ExplainFlags {
  readonly from?: string;
  readonly rules?: readonly string[];
  readonly json?: boolean;
}

export function addExplainCommand(program: Command, { io }: CommandHost): void {
  program
    .command('explain')
    .summary('explain a rule or a finding')
    .description(
      'Explains a rule (id or name) or a finding (fingerprint, or its first characters).',
    )
    .argument('<rule-or-fingerprint>')
    .option('--from <result>', `stored result to look findings up in (default: ${DEFAULT_RESULT})`)
    .option('--rules <dir>', 'folder of own rules (repeatable)', collect)
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action((subject: string, flags: ExplainFlags) => {
      const rules = loadRules({ folders: flags.rules ?? [] });
      const width = Math.max(40, Math.min(io.columns, 100));
      const rule = rules.find(({ id, name }) => id === subject.toUpperCase() || name === subject);
      if (rule !== undefined) {
        if (flags.json === true) io.stdout(`${JSON.stringify(rulePlain(rule), null, 1)}\n`);
        else io.stdout(ruleText(rule, width));
        return;
      }
      const finding = findFinding(subject, flags);
      if (flags.json === true) {
        io.stdout(`${JSON.stringify(finding, null, 1)}\n`);
        return;
      }
      const its = rules.find(({ id }) => id === finding.ruleId);
      io.stdout(findingText(finding, width));
      if (its !== undefined) io.stdout(`\n${ruleText(its, width)}`);
    });
}

function findFinding(fingerprint: string, flags: ExplainFlags): Finding {
  const file = flags.from ?? DEFAULT_RESULT;
  if (flags.from === undefined && !existsSync(file)) {
    throw new ScanError('E_USAGE', `${fingerprint} is no rule`, {
      hint: 'See rules list; for a finding, name the stored result with --from RESULT.json.',
    });
  }
  const result: ScanResult = readResult(file);
  const matches = result.targets
    .flatMap((target) => target.findings)
    .filter((finding) => finding.fingerprint.startsWith(fingerprint));
  const [match] = matches;
  if (match === undefined || fingerprint.length < MIN_FINGERPRINT) {
    throw new ScanError('E_USAGE', `no rule and no finding is called ${fingerprint}`, {
      file,
      hint: `Give a rule id, or at least ${MIN_FINGERPRINT} characters of a fingerprint.`,
    });
  }
  if (matches.length > 1) {
    throw new ScanError('E_USAGE', `${matches.length} findings begin with ${fingerprint}`, {
      file,
    });
  }
  return match;
}

/** The rule without what only this machine knows. */
export function rulePlain(rule: Rule): Readonly<Record<string, unknown>> {
  const { folder: _folder, ...plain } = rule;
  return plain;
}

function calibrationFacts({ calibration, evidence }: Rule): string[][] {
  if (calibration === undefined) return [];
  const { threshold, statistic, basis } = calibration;
  return [
    ['calibrate', `sets ${threshold} from the highest ${evidence}.${statistic} of clean models`],
    ['  shipped', basis],
  ];
}

function ruleText(rule: Rule, width: number): string {
  const taxonomies = loadTaxonomies();
  const facts = [
    ['level', rule.level],
    ['precision', rule.precision],
    ['reads', `${rule.evidence} evidence`],
    ['when', rule.when],
    ...Object.entries(rule.thresholds).map(([name, value]) => [`  ${name}`, JSON.stringify(value)]),
    ...calibrationFacts(rule),
    ['since', rule.since],
    ...rule.taxa.map((id) => ['taxon', `${id} ${findTaxon(id, taxonomies)?.name ?? ''}`]),
  ];
  const head = `${rule.id} ${rule.name}\n${rule.title}\n\n`;
  const table = facts.map(([name = '', value = '']) => `  ${name.padEnd(14)} ${value}\n`).join('');
  const body = rule.markdown.replace(/^# .*\n+/, '');
  const sections = body
    .split(/\n\s*\n/)
    .map((part) => {
      if (part.startsWith('#') || part.startsWith('-')) return part.replace(/^#+ /, '');
      return wrap(part.replaceAll('\n', ' ').trim(), width, '  ');
    })
    .join('\n\n');
  return visible(`${head}${table}\n${sections}\n`);
}

function findingText(finding: Finding, width: number): string {
  const facts: string[][] = [
    ['finding', finding.fingerprint],
    ['rule', `${finding.ruleId} ${finding.ruleName}`],
    ['level', finding.level],
    ['path', finding.path],
    ...Object.entries(finding.location ?? {}).map(([name, value]) => [name, String(value)]),
    ...(finding.suppression === undefined ? [] : [['accepted', finding.suppression.reason]]),
    ...(finding.baselineState === undefined ? [] : [['baseline', finding.baselineState]]),
  ];
  const table = facts
    .map(([name = '', value = '']) => `  ${name.padEnd(14)} ${visibleLine(clip(value, 400))}\n`)
    .join('');
  const evidence = finding.evidence
    .slice(0, 5)
    .map((fact) => visible(clip(JSON.stringify(fact, null, 1), 4000)))
    .join('\n');
  return `${wrap(visible(clip(finding.message, 2000)), width, '')}\n\n${table}\nEvidence\n${evidence}\n`;
}
