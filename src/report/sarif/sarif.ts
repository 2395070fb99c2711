/**
 * SARIF 2.1.0 (errata 01), written as a stream: results first, the tables that they refer to after them, so that
 * memory holds one result at a time. Equal results give equal bytes.
 */
import type { Result, ToolComponent } from 'sarif';
import type { Finding, ScanResult, TargetResult } from '../../finding/finding.ts';
import { compareFindings } from '../../judge/evaluate.ts';
import type { Rule } from '../../judge/rule.ts';
import type { ReportContext } from '../report.ts';
import { jsonText } from '../safe-text.ts';
import { notificationDescriptors, ruleDescriptor, Taxonomies } from './descriptors.ts';
import { invocationOf } from './invocation.ts';
import { Places, relativeUri } from './places.ts';
import { type RulePlace, sarifResult } from './result.ts';

const SCHEMA =
  'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

/** No string in the file is longer; evidence may hold megabytes. */
const MAX_STRING = 20_000;

interface Located {
  readonly finding: Finding;
  readonly target: TargetResult;
}

/** GitHub has no notion of suppressed or gone results: there, each would be an open alert. */
function selectFindings(result: ScanResult, context: ReportContext): readonly Located[] {
  const github = context.sarifProfile === 'github';
  return result.targets
    .flatMap((target) => target.findings.map((finding) => ({ finding, target })))
    .filter(
      ({ finding }) =>
        !github || (finding.suppression === undefined && finding.baselineState !== 'absent'),
    )
    .toSorted((a, b) => compareFindings(a.finding, b.finding));
}

interface Packs {
  readonly places: ReadonlyMap<string, RulePlace>;
  readonly driver: readonly Rule[];
  readonly extensions: readonly (readonly [string, readonly Rule[]])[];
}

/** The audit profile lists every rule, because a rule that found nothing is part of the answer. */
function packRules(rules: readonly Rule[], used: ReadonlySet<string>, audit: boolean): Packs {
  const listed = rules.filter((rule) => rule.enabled && (audit || used.has(rule.id)));
  const driver = listed.filter((rule) => rule.pack === 'builtin');
  const packs = [...new Set(listed.map((rule) => rule.pack))].filter((pack) => pack !== 'builtin');
  const extensions = packs
    .toSorted()
    .map((pack) => [pack, listed.filter((rule) => rule.pack === pack)] as const);
  const places = new Map<string, RulePlace>();
  for (const [index, rule] of driver.entries()) places.set(rule.id, { rule, index });
  for (const [extension, [, members]] of extensions.entries()) {
    for (const [index, rule] of members.entries()) places.set(rule.id, { rule, index, extension });
  }
  return { places, driver, extensions };
}

const STAGES: readonly (readonly [string, string])[] = [
  ['NF1', 'files'],
  ['NF2', 'files'],
  ['NF3', 'weights'],
  ['NF4', 'verify'],
  ['NF5', 'verify'],
];

/** What each rule without a finding means: looked and found nothing, not asked for, or could not be told. */
function* negativeResults(
  target: TargetResult,
  rules: ReadonlyMap<string, RulePlace>,
  places: Places,
): Iterable<Result> {
  const found = new Set<string>(target.findings.map((finding) => finding.ruleId));
  for (const [id, { rule, index, extension }] of rules) {
    const stage = STAGES.find(([prefix]) => id.startsWith(prefix))?.[1];
    if (rule === undefined || found.has(id) || stage === undefined || extension !== undefined)
      continue;
    const status = target.coverage.stages.find((item) => item.stage === stage)?.status;
    const kind = status === 'done' ? 'pass' : status === 'incomplete' ? 'open' : 'notApplicable';
    const text = {
      pass: `Stage ${stage} ran and this rule found nothing.`,
      open: `Stage ${stage} did not come to its end.`,
      notApplicable: `Stage ${stage} was not part of this scan.`,
    }[kind];
    yield {
      ruleId: id,
      ruleIndex: index,
      kind,
      level: 'none',
      message: { text },
      locations: [
        places.ofFile(target.path.split(/[\\/]/).findLast((part) => part !== '') ?? '.', target),
      ],
    };
  }
}

export function* renderSarif(result: ScanResult, context: ReportContext): Iterable<string> {
  const json = (value: unknown) => jsonText(value, MAX_STRING);
  const audit = context.sarifProfile === 'audit';
  const minimal = context.sarifProfile === 'minimal';
  const all = selectFindings(result, context);
  const selected = all.slice(0, context.maxResults);
  const used = new Set<string>(selected.map(({ finding }) => finding.ruleId));
  const packs = packRules(context.rules, used, audit);
  const listed = [...packs.driver, ...packs.extensions.flatMap(([, rules]) => rules)];
  const taxonomies = new Taxonomies(minimal ? [] : listed, context.taxonomies);
  const places = new Places(context);
  const { invocation, codes } = invocationOf(result, context, all.length - selected.length);

  const describe = (rule: Rule) => ruleDescriptor(rule, taxonomies, context.sarifProfile);
  const driver: ToolComponent = {
    name: 'narrowfire',
    semanticVersion: result.tool.version,
    rules: packs.driver.map(describe),
    notifications: notificationDescriptors(codes),
    ...(taxonomies.components.length > 0 && {
      supportedTaxonomies: taxonomies.components.map(({ name }, index) => ({ name, index })),
    }),
  };
  const extensions = packs.extensions.map(([name, rules]) => ({
    name,
    rules: rules.map(describe),
  }));
  yield `{"$schema":${json(SCHEMA)},"version":"2.1.0","runs":[{\n`;
  yield `"tool":${json({ driver, ...(extensions.length > 0 && { extensions }) })},\n`;
  yield `"automationDetails":${json({ id: `narrowfire/${relativeUri(context.category)}/` })},\n`;
  yield `"columnKind":"utf16CodeUnits",\n"invocations":[${json(invocation)}],\n"results":[`;

  for (const target of minimal ? [] : result.targets) {
    for (const file of target.files ?? []) places.addFile(file, target);
  }
  const writer = { context, places, taxonomies, rules: packs.places };
  let separator = '\n';
  for (const { finding, target } of selected) {
    yield `${separator}${json(sarifResult(finding, target, writer))}`;
    separator = ',\n';
  }
  for (const target of audit ? result.targets : []) {
    for (const negative of negativeResults(target, packs.places, places)) {
      yield `${separator}${json(negative)}`;
      separator = ',\n';
    }
  }
  yield '\n]';
  if (!minimal) {
    yield `,\n"artifacts":${json(places.finished())}`;
    yield `,\n"logicalLocations":${json(places.logicalLocations)}`;
    if (taxonomies.components.length > 0) yield `,\n"taxonomies":${json(taxonomies.components)}`;
  }
  if (audit) {
    const verdicts = result.targets.map(({ path, verdict, calibration }) => ({
      path,
      verdict,
      ...(calibration !== undefined && { calibration }),
    }));
    const { calibration } = result;
    const properties = {
      'narrowfire/verdict': result.verdict,
      'narrowfire/targets': verdicts,
      ...(calibration !== undefined && { 'narrowfire/calibration': calibration }),
    };
    yield `,\n"properties":${json(properties)}`;
  }
  yield '\n}]}\n';
}
