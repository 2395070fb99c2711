/**
 * What GitHub code scanning accepts and shows beyond the SARIF schema (GitHub Docs, "SARIF support for code
 * scanning"): limits, required fields, regions, URIs, indices and references. Gives one line for each problem.
 */
import { gzipSync } from 'node:zlib';
import type {
  Location,
  Log,
  ReportingDescriptorReference,
  Result,
  Run,
  ToolComponent,
} from 'sarif';

const LIMITS = {
  gzipBytes: 10_000_000,
  runs: 20,
  results: 25_000,
  rules: 25_000,
  extensions: 100,
  locations: 1000,
  threadFlowLocations: 10_000,
  tags: 20,
  name: 255,
  description: 1024,
} as const;

type Problem = (message: string) => void;

export function lintSarif(text: string): readonly string[] {
  const problems: string[] = [];
  const log = JSON.parse(text) as Log;
  if (gzipSync(text).byteLength > LIMITS.gzipBytes) problems.push('larger than 10 MB in gzip');
  if (log.version !== '2.1.0') problems.push('version');
  if (log.runs.length > LIMITS.runs) problems.push('too many runs');
  const categories = new Set<string>();
  for (const [index, run] of log.runs.entries()) {
    const problem: Problem = (message) => problems.push(`runs[${index}]: ${message}`);
    lintRun(run, problem);
    const id = run.automationDetails?.id ?? '';
    const category = id.slice(0, id.lastIndexOf('/'));
    if (category === '') problem('automationDetails.id has no category');
    if (categories.has(category)) problem(`category ${category} used twice`);
    categories.add(category);
  }
  lintStrings(log, '', (message) => problems.push(message));
  return problems;
}

/** Empty strings hide alerts, and invisible characters deceive their readers. */
function lintStrings(value: unknown, path: string, problem: Problem): void {
  if (typeof value === 'string') {
    const isProperty = path.includes('/properties/');
    if (value === '' && !isProperty) problem(`${path}: empty string`);
    if (/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(value)) {
      problem(`${path}: lone surrogate`);
    }
    if (
      !isProperty &&
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(value)
    ) {
      problem(`${path}: control or direction character`);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) lintStrings(inner, `${path}/${key}`, problem);
  }
}

function lintRun(run: Run, problem: Problem): void {
  const { driver, extensions = [] } = run.tool;
  if (extensions.length > LIMITS.extensions) problem('too many extensions');
  if ((run.results ?? []).length > LIMITS.results) problem('too many results');
  if (driver.semanticVersion === undefined && driver.version === undefined) problem('no version');
  for (const component of [driver, ...extensions]) lintRules(component, run, problem);
  const hashes = new Set<string>();
  for (const [index, result] of (run.results ?? []).entries()) {
    lintResult(result, run, (message) => problem(`results[${index}]: ${message}`));
    if (result.kind !== 'fail') continue;
    const hash = result.partialFingerprints?.['primaryLocationLineHash'] ?? '';
    if (hashes.has(hash)) problem(`results[${index}]: fingerprint used twice`);
    hashes.add(hash);
  }
  for (const [index, artifact] of (run.artifacts ?? []).entries()) {
    if (artifact.location?.uri !== undefined) lintUri(artifact.location.uri, problem);
    if ((artifact.parentIndex ?? -1) >= index) problem(`artifacts[${index}]: parent after child`);
  }
  for (const [index, location] of (run.logicalLocations ?? []).entries()) {
    if ((location.parentIndex ?? -1) >= index) problem(`logicalLocations[${index}]: parent`);
  }
}

function lintRules(component: ToolComponent, run: Run, problem: Problem): void {
  const rules = component.rules ?? [];
  if (rules.length > LIMITS.rules) problem('too many rules');
  for (const rule of rules) {
    const where = `rule ${rule.id}`;
    if ((rule.name ?? '').length > LIMITS.name) problem(`${where}: name too long`);
    for (const description of [rule.shortDescription, rule.fullDescription]) {
      if (description === undefined || description.text === '') problem(`${where}: no description`);
      if ((description?.text.length ?? 0) > LIMITS.description) problem(`${where}: too long`);
    }
    if ((rule.help?.text ?? '') === '') problem(`${where}: no help text`);
    const tags = rule.properties?.tags ?? [];
    if (tags.length > LIMITS.tags) problem(`${where}: too many tags`);
    const severity: unknown = rule.properties?.['security-severity'];
    if (severity !== undefined && !(Number(severity) > 0 && Number(severity) <= 10)) {
      problem(`${where}: security-severity ${String(severity)}`);
    }
    for (const relationship of rule.relationships ?? []) {
      lintTaxon(relationship.target, run, (message) => problem(`${where}: ${message}`));
    }
  }
}

function lintTaxon(reference: ReportingDescriptorReference, run: Run, problem: Problem): void {
  const taxonomy = run.taxonomies?.[reference.toolComponent?.index ?? -1];
  if (taxonomy?.name !== reference.toolComponent?.name) problem('taxonomy reference');
  if (taxonomy?.taxa?.[reference.index ?? -1]?.id !== reference.id) problem('taxon reference');
}

function lintResult(result: Result, run: Run, problem: Problem): void {
  const component =
    result.rule?.toolComponent?.index === undefined
      ? run.tool.driver
      : run.tool.extensions?.[result.rule.toolComponent.index];
  const index = result.rule?.index ?? result.ruleIndex;
  if (component?.rules?.[index ?? -1]?.id !== (result.ruleId ?? result.rule?.id)) {
    problem('rule index does not point at the rule');
  }
  const locations = result.locations ?? [];
  if (locations.length === 0) problem('no location');
  if (locations.length > LIMITS.locations) problem('too many locations');
  for (const location of locations) lintLocation(location, run, problem);
  const ids = (result.relatedLocations ?? []).map((location) => location.id);
  if (new Set(ids).size !== ids.length) problem('related location ids repeat');
  for (const location of result.relatedLocations ?? []) lintLocation(location, run, problem);
  const steps = (result.codeFlows ?? []).flatMap((flow) =>
    flow.threadFlows.flatMap((thread) => thread.locations),
  );
  if (steps.length > LIMITS.threadFlowLocations) problem('too many steps');
  for (const step of steps)
    if (step.location !== undefined) lintLocation(step.location, run, problem);
  for (const taxon of result.taxa ?? []) lintTaxon(taxon, run, problem);
  for (const graph of result.graphs ?? []) {
    const nodes = new Set((graph.nodes ?? []).map((node) => node.id));
    for (const edge of graph.edges ?? []) {
      if (!nodes.has(edge.sourceNodeId) || !nodes.has(edge.targetNodeId)) problem('graph edge');
    }
  }
}

function lintLocation(location: Location, run: Run, problem: Problem): void {
  const physical = location.physicalLocation;
  const uri = physical?.artifactLocation?.uri;
  if (uri === undefined) {
    problem('expected artifact location');
    return;
  }
  lintUri(uri, problem);
  const line = physical?.region?.startLine;
  if (line === undefined || line < 1) problem('region needs a start line of at least 1');
  const artifact = physical?.artifactLocation?.index;
  if (artifact !== undefined && run.artifacts?.[artifact]?.location?.uri !== uri) {
    problem('artifact index does not point at the file');
  }
  for (const logical of location.logicalLocations ?? []) {
    const target = run.logicalLocations?.[logical.index ?? -1];
    if (target === undefined || target.fullyQualifiedName !== logical.fullyQualifiedName) {
      problem('logical location index');
    }
  }
}

function lintUri(uri: string, problem: Problem): void {
  if (!/^(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+$/.test(uri)) problem(`URI not percent-encoded: ${uri}`);
  if (uri.startsWith('/') || uri.split('/').includes('..')) problem(`URI leaves the root: ${uri}`);
  try {
    decodeURIComponent(uri);
  } catch {
    problem(`URI does not decode: ${uri}`);
  }
}
