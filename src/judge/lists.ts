/**
 * Data lists of rules: every `rules/<rule>/<list>.yaml` besides `rule.yaml`, and every `.json` (long generated
 * ones: they parse faster), is a list of strings, named `<rule>/<list>`. Detectors get them by name, so that
 * what counts as known stays data.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { ScanError } from '../errors.ts';

/** Plain form that crosses worker borders. */
export type RuleLists = Readonly<Record<string, readonly string[]>>;

export type ListLookup = (name: string) => ReadonlySet<string>;

/** A flat list, or groups of names under a common prefix: `numpy: [ndarray, dtype]` gives `numpy.ndarray`. */
const listSchema = z.union([z.array(z.string()), z.record(z.string(), z.array(z.string()))]);

/** The `rules/` folder of this installation. */
export function defaultRulesFolder(): string {
  return join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'rules');
}

/** Lists of a rules folder, each read when it is first asked for. */
export function lazyLists(folder: string = defaultRulesFolder()): ListLookup {
  const sets = new Map<string, ReadonlySet<string>>();
  return (name) => {
    const known = sets.get(name);
    if (known !== undefined) return known;
    if (!/^[\w-]+\/[\w-]+$/.test(name)) throw new ScanError('E_RULE', `no list is called ${name}`);
    const path = ['.yaml', '.json']
      .map((extension) => join(folder, name + extension))
      .find((candidate) => existsSync(candidate));
    if (path === undefined) throw new ScanError('E_RULE', `no rule has the list ${name}`);
    const set = new Set(readList(path));
    sets.set(name, set);
    return set;
  };
}

let installed: ListLookup | undefined;

/** Lists of this installation's rules: each is read once a process. */
export function installedLists(): ListLookup {
  installed ??= lazyLists();
  return installed;
}

/** All lists of a rules folder. @throws ScanError `E_RULE` for a list that is not names. */
export function loadLists(folder: string = defaultRulesFolder()): RuleLists {
  const lists: Record<string, readonly string[]> = {};
  if (!existsSync(folder)) return lists;
  const entries = readdirSync(folder, { withFileTypes: true });
  for (const rule of entries.filter((entry) => entry.isDirectory()).sort(byName)) {
    const inside = readdirSync(join(folder, rule.name), { withFileTypes: true });
    for (const file of inside.filter((entry) => entry.isFile()).sort(byName)) {
      if (!/\.(yaml|json)$/.test(file.name) || file.name === 'rule.yaml') continue;
      lists[`${rule.name}/${file.name.slice(0, -5)}`] = readList(
        join(folder, rule.name, file.name),
      );
    }
  }
  return lists;
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

function readList(path: string): readonly string[] {
  try {
    const text = readFileSync(path, 'utf8');
    const parsed = listSchema.parse(path.endsWith('.json') ? JSON.parse(text) : parseYaml(text));
    if (Array.isArray(parsed)) return parsed;
    return Object.entries(parsed).flatMap(([prefix, names]) =>
      names.map((name) => `${prefix}.${name}`),
    );
  } catch (cause) {
    throw new ScanError('E_RULE', 'a rule list must be names, or names grouped by prefix', {
      file: path,
      cause,
    });
  }
}

/** Long flat lists are read line by line, twenty times faster than by the YAML parser. */
function parseYaml(text: string): unknown {
  const names: string[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^- (?:([\w.]+[\w*])|'([^']+)'|"([^"\\]+)")$/.exec(line);
    if (match === null) return parse(text);
    names.push(match[1] ?? match[2] ?? match[3] ?? '');
  }
  return names;
}

/** Looks lists up by name; @throws ScanError `E_RULE` for a list that no rule has. */
export function listLookup(lists: RuleLists): ListLookup {
  const sets = new Map<string, ReadonlySet<string>>();
  return (name) => {
    const known = sets.get(name);
    if (known !== undefined) return known;
    const values = lists[name];
    if (values === undefined) throw new ScanError('E_RULE', `no rule has the list ${name}`);
    const set = new Set(values);
    sets.set(name, set);
    return set;
  };
}
