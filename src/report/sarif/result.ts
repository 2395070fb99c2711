/** One finding as a SARIF result. */
import type { Result, Location as SarifLocation, Suppression } from 'sarif';
import type { Finding, TargetResult } from '../../finding/finding.ts';
import type { Rule } from '../../judge/rule.ts';
import type { ReportContext } from '../report.ts';
import { clip, visible, visibleLine, wellFormed } from '../safe-text.ts';
import type { Taxonomies } from './descriptors.ts';
import { causalPath, triggerOf } from './flows.ts';
import type { Places } from './places.ts';

const MAX_MESSAGE = 4000;
const MAX_EVIDENCE = 20;
const MAX_SAMPLES = 5;

/** Place of a rule in the tool: the driver or one of the extensions (user packs). */
export interface RulePlace {
  readonly rule: Rule | undefined;
  readonly index: number;
  /** Index of the extension; undefined for the driver. */
  readonly extension?: number;
}

export interface ResultWriter {
  readonly context: ReportContext;
  readonly places: Places;
  readonly taxonomies: Taxonomies;
  readonly rules: ReadonlyMap<string, RulePlace>;
}

const RANK = { error: 90, warning: 50, note: 10 } as const;

/** GitHub shows nothing but the message and the file, so the message repeats where in the file it is. */
function messageOf(finding: Finding, context: ReportContext): string {
  const message = visible(clip(finding.message, MAX_MESSAGE)) || finding.ruleId;
  if (context.sarifProfile !== 'github') return message;
  const at = finding.location;
  const parts = [
    at?.member === undefined ? '' : `inside ${visibleLine(clip(at.member, 200))}`,
    at?.tensor === undefined ? '' : `tensor ${visibleLine(clip(at.tensor, 200))}`,
    at?.byteOffset === undefined ? '' : `byte ${at.byteOffset}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? message : `${message} (${parts.join(', ')})`;
}

function ruleReference(finding: Finding, place: RulePlace | undefined): Partial<Result> {
  if (place === undefined) return {};
  if (place.extension === undefined) return { ruleIndex: place.index };
  return {
    rule: {
      id: finding.ruleId,
      index: place.index,
      toolComponent: { index: place.extension },
    },
  };
}

function suppressionsOf(finding: Finding): Suppression[] {
  const { suppression } = finding;
  if (suppression === undefined) return [];
  return [
    {
      kind: 'external',
      status: 'accepted',
      justification: visible(clip(suppression.reason, MAX_MESSAGE)),
      properties: {
        'narrowfire/source': visibleLine(suppression.source),
        ...(suppression.expires !== undefined && { 'narrowfire/expires': suppression.expires }),
      },
    },
  ];
}

/** The contexts that the trigger was tried in, beside what the model said, and where bytes lie inside archives. */
function relatedLocations(
  finding: Finding,
  target: TargetResult,
  writer: ResultWriter,
): SarifLocation[] {
  const related: SarifLocation[] = [];
  for (const sample of (triggerOf(finding)?.samples ?? []).slice(0, MAX_SAMPLES)) {
    const place =
      writer.places.ofProbeText(sample.context, target) ??
      writer.places.ofFile(finding.path, target);
    const text = (value: string) => `"${visibleLine(clip(value, 300))}"`;
    related.push({
      ...place,
      id: related.length + 1,
      message: {
        text: `After ${text(sample.context)} the model says ${text(sample.triggered)} with the trigger and ${text(sample.untriggered)} without it.`,
      },
    });
  }
  const member =
    writer.context.sarifProfile === 'audit' && finding.location !== undefined
      ? writer.places.ofMember(finding.path, finding.location, target)
      : undefined;
  if (member !== undefined) {
    related.push({ ...member, id: related.length + 1, message: { text: 'Inside the archive' } });
  }
  return related;
}

function properties(finding: Finding, context: ReportContext): Record<string, unknown> {
  const common = {
    'narrowfire/path': wellFormed(clip(finding.path, 1000)),
    'narrowfire/ruleName': finding.ruleName,
  };
  if (context.sarifProfile !== 'audit') return common;
  const { trigger, behaviour, calibrated } = finding;
  return {
    ...common,
    ...(trigger !== undefined && { 'narrowfire/trigger': trigger }),
    ...(behaviour !== undefined && { 'narrowfire/behaviour': behaviour }),
    ...(calibrated !== undefined && { 'narrowfire/calibrated': calibrated }),
    'narrowfire/evidence': finding.evidence.slice(0, MAX_EVIDENCE),
    'narrowfire/evidenceTotal': finding.evidenceTotal ?? finding.evidence.length,
  };
}

export function sarifResult(finding: Finding, target: TargetResult, writer: ResultWriter): Result {
  const { context, places, taxonomies } = writer;
  const place = writer.rules.get(finding.ruleId);
  const result: Result = {
    ruleId: finding.ruleId,
    ...ruleReference(finding, place),
    kind: 'fail',
    level: finding.level,
    message: { text: messageOf(finding, context) },
    locations: [places.ofFinding(finding, target)],
    partialFingerprints: {
      primaryLocationLineHash: `${finding.fingerprint}:1`,
      'narrowfire/v1': finding.fingerprint,
    },
    ...(finding.baselineState !== undefined && { baselineState: finding.baselineState }),
  };
  if (context.sarifProfile === 'minimal') return result;
  const path = causalPath(finding, target, places);
  const related = relatedLocations(finding, target, writer);
  const taxa = taxonomies.references(finding.taxa);
  const severity = place?.rule?.securitySeverity;
  const suppressions = suppressionsOf(finding);
  return {
    ...result,
    rank: severity === undefined ? RANK[finding.level] : severity * 10,
    ...(path !== undefined && { codeFlows: path.codeFlows }),
    ...(path !== undefined &&
      context.sarifProfile === 'audit' && {
        graphs: path.graphs,
        graphTraversals: path.graphTraversals,
      }),
    ...(related.length > 0 && { relatedLocations: related }),
    ...(taxa.length > 0 && { taxa }),
    ...(suppressions.length > 0 && { suppressions }),
    properties: properties(finding, context),
  };
}
