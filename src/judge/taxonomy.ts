/** The pinned table of taxonomy ids: what a rule's `taxa` may name, and how SARIF describes them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { BUILTIN_RULES } from './load-rules.ts';
import { readYaml } from './yaml-source.ts';

const taxonomySchema = z.strictObject({
  /** SARIF `toolComponent.name`. */
  name: z.string(),
  fullName: z.string(),
  version: z.string(),
  organization: z.string(),
  informationUri: z.url(),
  /** Start of an item's page; `{id}` and `{number}` are replaced. */
  itemUri: z.string(),
  items: z.record(z.string(), z.string()),
});

export type Taxonomy = z.infer<typeof taxonomySchema>;

export interface Taxon {
  readonly id: string;
  readonly name: string;
  readonly uri: string;
  readonly taxonomy: Taxonomy;
}

/** @throws ScanError `E_RULE` with file:line. */
export function loadTaxonomies(
  path: string = join(BUILTIN_RULES, 'taxonomies.yaml'),
): readonly Taxonomy[] {
  return readYaml(readFileSync(path, 'utf8'), path, z.array(taxonomySchema), 'E_RULE').value;
}

/** @returns the entry of an id such as `CWE-511`, `AML.T0018.000` or `LLM03:2025`; undefined if not pinned. */
export function findTaxon(id: string, taxonomies: readonly Taxonomy[]): Taxon | undefined {
  for (const taxonomy of taxonomies) {
    const name = Object.hasOwn(taxonomy.items, id) ? taxonomy.items[id] : undefined;
    if (name === undefined) continue;
    const number = /\d+/.exec(id)?.[0] ?? id;
    const uri = taxonomy.itemUri.replace('{id}', id).replace('{number}', number);
    return { id, name, uri, taxonomy };
  }
  return undefined;
}
