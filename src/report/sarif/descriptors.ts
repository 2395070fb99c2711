/** Rules, taxonomies and notification codes as SARIF tool components. */
import type { ReportingDescriptor, ReportingDescriptorReference, ToolComponent } from 'sarif';
import { ERROR_CODES, type ErrorCode } from '../../errors.ts';
import type { Rule } from '../../judge/rule.ts';
import { findTaxon, type Taxonomy } from '../../judge/taxonomy.ts';
import type { SarifProfile } from '../report.ts';
import { clip, visible, visibleLine } from '../safe-text.ts';

/** GitHub's limits for names and descriptions; it keeps 10 tags of at most 20. */
const MAX_NAME = 255;
const MAX_DESCRIPTION = 1000;
const MAX_HELP = 20_000;
const MAX_TAGS = 10;

const FAMILIES: readonly (readonly [string, string])[] = [
  ['NF1', 'model-file'],
  ['NF2', 'model-repository'],
  ['NF3', 'model-weights'],
  ['NF4', 'model-features'],
  ['NF5', 'model-behaviour'],
  ['NF9', 'coverage'],
];

const PROBLEM_SEVERITY = { error: 'error', warning: 'warning', note: 'recommendation' } as const;

function tagsOf(rule: Rule): readonly string[] {
  const family = FAMILIES.find(([prefix]) => rule.id.startsWith(prefix))?.[1];
  const weaknesses = rule.taxa
    .filter((id) => id.startsWith('CWE-'))
    .map((id) => `external/cwe/${id.toLowerCase()}`);
  const others = rule.taxa.filter((id) => !id.startsWith('CWE-'));
  const tags = [
    ...(rule.securitySeverity === undefined ? [] : ['security']),
    ...(family === undefined ? [] : [family]),
    ...weaknesses,
    ...others,
  ];
  return tags.slice(0, MAX_TAGS);
}

function plainText(markdown: string): string {
  return markdown.replaceAll(/^#+ /gm, '').replaceAll('`', '');
}

/** Where the taxa of the rules in use are described; the index is that in `run.taxonomies`. */
export class Taxonomies {
  readonly components: readonly ToolComponent[];
  readonly #places = new Map<string, { readonly component: number; readonly taxon: number }>();

  constructor(rules: readonly Rule[], taxonomies: readonly Taxonomy[]) {
    const used = new Set(rules.flatMap((rule) => rule.taxa));
    const components: ToolComponent[] = [];
    for (const taxonomy of taxonomies) {
      const ids = Object.keys(taxonomy.items).filter((id) => used.has(id));
      if (ids.length === 0) continue;
      for (const [taxon, id] of ids.entries()) {
        this.#places.set(id, { component: components.length, taxon });
      }
      components.push({
        name: taxonomy.name,
        fullName: taxonomy.fullName,
        version: taxonomy.version,
        organization: taxonomy.organization,
        informationUri: taxonomy.informationUri,
        isComprehensive: false,
        taxa: ids.map((id) => {
          const found = findTaxon(id, [taxonomy]);
          return {
            id,
            shortDescription: { text: found?.name ?? id },
            ...(found !== undefined && { helpUri: found.uri }),
          };
        }),
      });
    }
    this.components = components;
  }

  reference(id: string): ReportingDescriptorReference | undefined {
    const place = this.#places.get(id);
    if (place === undefined) return undefined;
    const name = this.components[place.component]?.name;
    return {
      id,
      index: place.taxon,
      toolComponent: { index: place.component, ...(name !== undefined && { name }) },
    };
  }

  references(ids: readonly string[]): ReportingDescriptorReference[] {
    return ids.flatMap((id) => this.reference(id) ?? []);
  }
}

export function ruleDescriptor(
  rule: Rule,
  taxonomies: Taxonomies,
  profile: SarifProfile,
): ReportingDescriptor {
  const title = visibleLine(clip(rule.title, MAX_DESCRIPTION));
  const remediation = visible(rule.remediation);
  const head = {
    id: rule.id,
    name: clip(rule.name, MAX_NAME),
    shortDescription: { text: title },
    fullDescription: { text: clip(`${title}. ${remediation}`, MAX_DESCRIPTION) },
    defaultConfiguration: { level: rule.level },
  };
  const markdown = visible(clip(rule.markdown === '' ? rule.remediation : rule.markdown, MAX_HELP));
  const help = { text: plainText(markdown), markdown };
  if (profile === 'minimal') return { ...head, help: { text: remediation } };
  const relationships = taxonomies.references(rule.taxa).map((target) => ({
    target,
    kinds: ['relevant'],
  }));
  return {
    ...head,
    help,
    ...(relationships.length > 0 && { relationships }),
    properties: {
      tags: [...tagsOf(rule)],
      precision: rule.precision,
      'problem.severity': PROBLEM_SEVERITY[rule.level],
      ...(rule.securitySeverity !== undefined && {
        'security-severity': rule.securitySeverity.toFixed(1),
      }),
    },
  };
}

/** The error codes that notifications of this run refer to. */
const OTHER: Readonly<Record<string, string>> = {
  'method-limit': 'a limit of the method',
  'calibration-withheld': 'a finding under the shipped thresholds that a calibration does not make',
};

export function notificationDescriptors(codes: readonly string[]): ReportingDescriptor[] {
  return codes.map((code) => ({
    id: code,
    shortDescription: { text: ERROR_CODES[code as ErrorCode] ?? OTHER[code] ?? 'other' },
  }));
}
