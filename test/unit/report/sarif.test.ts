import type { Log, Run } from 'sarif';
import { describe, expect, it } from 'vitest';
import type { ScanResult, TargetResult } from '../../../src/finding/finding.ts';
import type { ReportContext } from '../../../src/report/report.ts';
import { featuresOf } from '../../../src/report/sarif/flows.ts';
import { relativeUri } from '../../../src/report/sarif/places.ts';
import { renderSarif } from '../../../src/report/sarif/sarif.ts';
import {
  backdoored,
  context,
  incomplete,
  render,
  resultOf,
  rules,
  target,
  trigger,
} from './samples.ts';

function runOf(result: ScanResult, changes: Partial<ReportContext> = {}): Run {
  const log = JSON.parse(render(renderSarif(result, context(changes)))) as Log;
  const run = log.runs[0];
  if (run === undefined) throw new Error('no run');
  return run;
}

describe('results', () => {
  const run = runOf(backdoored());
  const result = run.results?.find(({ ruleId }) => ruleId === 'NF5001');

  it('lead from the trigger through the layers to the output', () => {
    const steps = result?.codeFlows?.[0]?.threadFlows[0]?.locations ?? [];
    expect(steps.map((step) => step.location?.message?.text?.split(' ')[0])).toEqual([
      'Ordinary',
      'The',
      'Feature',
      'Feature',
      'Feature',
      'Feature',
      'The',
    ]);
    const names = steps.flatMap((step) => step.location?.logicalLocations ?? []);
    expect(names[0]?.fullyQualifiedName).toBe('blocks.0.hook_resid_post/feature 100');
    expect(result?.graphs?.[0]?.edges).toHaveLength(6);
    expect(result?.graphTraversals?.[0]?.edgeTraversals).toHaveLength(6);
  });

  it('carry our own line hash, so that uploads need not read the weights', () => {
    expect(result?.partialFingerprints?.['primaryLocationLineHash']).toMatch(/^[0-9a-f]{32}:1$/);
  });

  it('point to probe text, which the file itself carries', () => {
    const places = result?.relatedLocations?.map(({ physicalLocation }) => physicalLocation) ?? [];
    expect(places.length).toBeGreaterThan(1);
    const contexts = result?.relatedLocations?.map(({ message }) => message?.text ?? '') ?? [];
    for (const [i, place] of places.entries()) {
      const artifact = run.artifacts?.[place?.artifactLocation?.index ?? -1];
      expect(artifact?.roles).toEqual(['memoryContents']);
      const { startLine = 0, endColumn = 0, snippet } = place?.region ?? {};
      const line = artifact?.contents?.text?.split('\n')[startLine - 1] ?? '';
      expect(line).toBe(snippet?.text);
      expect(line).toHaveLength(endColumn - 1);
      expect(contexts[i]).toContain(line);
    }
    expect(new Set(places.map((place) => place?.region?.startLine)).size).toBe(places.length);
  });

  it('point to files of the checkout for GitHub, which shows nothing else', () => {
    const text = render(renderSarif(backdoored(), context({ sarifProfile: 'github' })));
    expect(text).not.toContain('narrowfire-probe-text');
    const [first] = (JSON.parse(text) as Log).runs[0]?.results ?? [];
    const related = first?.relatedLocations?.[0]?.physicalLocation?.artifactLocation?.uri;
    expect(related).toMatch(/^models\/story-teller\//);
  });

  it('put bytes beside lines and tensors into logical locations', () => {
    const tensor = run.results?.find(({ ruleId }) => ruleId === 'NF3002')?.locations?.[0];
    expect(tensor?.physicalLocation?.region).toEqual({
      startLine: 1,
      byteOffset: 4096,
      byteLength: 131_072,
    });
    expect(tensor?.logicalLocations?.[0]?.fullyQualifiedName).toBe('model.embed_tokens.weight');
    const index = tensor?.logicalLocations?.[0]?.index ?? -1;
    expect(run.logicalLocations?.[index]?.kind).toBe('tensor');
  });

  it('name the digests of files', () => {
    const artifact = run.artifacts?.find(({ hashes }) => hashes?.['sha-256'] === 'b'.repeat(64));
    expect(artifact?.location?.uri).toBe('models/story-teller/model.safetensors');
  });

  it('resolve their taxa, and mirror CWE as tags for GitHub', () => {
    expect(result?.taxa?.map(({ id }) => id)).toContain('CWE-511');
    const rule = run.tool.driver.rules?.find(({ id }) => id === 'NF5001');
    expect(rule?.properties?.tags).toContain('external/cwe/cwe-511');
    expect(rule?.properties?.['security-severity']).toBe('9.1');
    expect(rule?.help?.markdown).toContain('## Limits and false positives');
  });

  it('of the audit say which rules found nothing, and which were not asked', () => {
    const kinds = run.results?.filter(({ kind }) => kind !== 'fail').map(({ kind }) => kind);
    expect(new Set(kinds)).toEqual(new Set(['pass']));
    const partly = runOf(incomplete()).results?.map(({ kind }) => kind);
    expect(new Set(partly)).toEqual(new Set(['fail', 'pass', 'open', 'notApplicable']));
  });
});

describe('the invocation', () => {
  it('is not successful and names every gap of an incomplete scan', () => {
    const invocation = runOf(incomplete(), { sarifProfile: 'github' }).invocations?.[0];
    expect(invocation?.executionSuccessful).toBe(false);
    expect(invocation?.exitCode).toBe(4);
    const texts = invocation?.toolExecutionNotifications?.map(({ message }) => message.text) ?? [];
    expect(texts[0]).toMatch(/^E_TRUNCATED models\/story-teller\/model.safetensors @ byte 8/);
    expect(texts[1]).toMatch(/^Not covered: /);
  });

  it('has a time only when asked', () => {
    expect(JSON.stringify(runOf(backdoored()))).not.toContain('TimeUtc');
    const timestamp = '2026-11-21T00:00:00Z';
    expect(runOf(backdoored(), { timestamp }).invocations?.[0]?.startTimeUtc).toBe(timestamp);
  });
});

describe('the github profile', () => {
  const ignores = [{ rule: 'NF5001', reason: 'we planted it', until: '2027-01-01', source: 'c:1' }];
  const accepted = resultOf([target({ evidence: [trigger()] })], { ignores });

  it('leaves suppressed results out, the audit keeps them with their reason', () => {
    expect(runOf(accepted, { sarifProfile: 'github' }).results).toEqual([]);
    const [result] = runOf(accepted).results ?? [];
    expect(result?.suppressions?.[0]).toMatchObject({
      kind: 'external',
      status: 'accepted',
      justification: 'we planted it',
    });
  });

  it('repeats in the message what GitHub does not read', () => {
    const message = runOf(backdoored(), { sarifProfile: 'github' }).results?.find(
      ({ ruleId }) => ruleId === 'NF3002',
    )?.message.text;
    expect(message).toMatch(/\(tensor model\.embed_tokens\.weight, byte 4096\)$/);
  });

  it('anchors Git LFS pointers at the line that changes', () => {
    const anchorLines = new Map([['story-teller/model.safetensors', 2]]);
    const result = runOf(backdoored(), { sarifProfile: 'github', anchorLines }).results?.find(
      ({ ruleId }) => ruleId === 'NF3002',
    );
    expect(result?.locations?.[0]?.physicalLocation?.region?.startLine).toBe(2);
  });

  it('lists only the rules that it uses', () => {
    const listed = runOf(backdoored(), { sarifProfile: 'github' }).tool.driver.rules ?? [];
    expect(listed.length).toBeLessThan(rules.length);
  });
});

it('puts user rules into an extension', () => {
  const own = rules.map((rule) => (rule.id === 'NF5001' ? { ...rule, pack: 'acme' } : rule));
  const run = runOf(backdoored(), { rules: own });
  expect(run.tool.extensions?.[0]?.name).toBe('acme');
  const result = run.results?.find(({ ruleId }) => ruleId === 'NF5001');
  expect(result?.rule).toMatchObject({ id: 'NF5001', index: 0, toolComponent: { index: 0 } });
});

it.each([
  ['a b/c:d', 'a%20b/c%3Ad'],
  ['/../x/./y', 'x/y'],
  ['ä(1)*', '%C3%A4%281%29%2A'],
  ['\ud800', '%EF%BF%BD'],
])('encodes %j', (path, uri) => {
  expect(relativeUri(path)).toBe(uri);
});

it('reads the findings of a target once for all of its triggers', () => {
  const [whole] = backdoored().targets;
  const [finding] = whole?.findings ?? [];
  const fact = finding?.evidence[0];
  if (whole === undefined || fact?.kind !== 'verified-trigger') throw new Error('no trigger');
  let reads = 0;
  const counted: TargetResult = {
    ...whole,
    get findings() {
      reads += 1;
      return whole.findings;
    },
  };
  for (let i = 0; i < 100; i++) expect(featuresOf(fact, counted).length).toBeGreaterThan(0);
  expect(reads).toBe(1);
});
