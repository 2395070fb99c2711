/** Reads rule folders: `rules/<name>/rule.yaml` and `doc.md`. Shipped rules first, then the user's. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ScanError, toScanError } from '../errors.ts';
import { compileCondition } from './condition.ts';
import { type Rule, type RuleFile, type RuleOverride, ruleFile } from './rule.ts';
import { compileTemplate } from './template.ts';
import { readYaml } from './yaml-source.ts';

const MAX_RULE_BYTES = 1_000_000;

/** The shipped `rules/` folder; the same relative place from `src/judge` and `dist/judge`. */
export const BUILTIN_RULES: string = resolve(
  dirname(fileURLToPath(import.meta.url)),
  '../../rules',
);

function readText(path: string, shown: string): string {
  try {
    if (statSync(path).size > MAX_RULE_BYTES) {
      throw new ScanError('E_LIMIT', `larger than ${MAX_RULE_BYTES} bytes`, { file: shown });
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw toScanError(error, shown);
  }
}

/**
 * Reads one rule folder and proves that its condition and message compile.
 * @throws ScanError `E_RULE` with file:line.
 */
export function loadRule(folder: string, pack: string): Rule {
  const path = join(folder, 'rule.yaml');
  const shown = relative(process.cwd(), path) || path;
  const located = readYaml(readText(path, shown), shown, ruleFile, 'E_RULE');
  const rule = located.value;
  const at = (field: string) => `${shown}:${located.lineOf([field])}`;
  compileCondition(rule.when, at('when'));
  compileTemplate(rule.message, at('message'));
  checkCalibration(rule, at('calibration'));
  const folderName = resolve(folder).split(/[\\/]/).at(-1);
  if (folderName !== rule.name) {
    throw new ScanError('E_RULE', `name: is ${rule.name}, the folder is ${folderName}`, {
      file: at('name'),
    });
  }
  const doc = join(folder, 'doc.md');
  const markdown = existsSync(doc) ? readText(doc, relative(process.cwd(), doc)) : '';
  return { ...rule, folder: resolve(folder), pack, markdown, enabled: true };
}

function checkCalibration({ calibration, thresholds }: RuleFile, file: string): void {
  if (calibration === undefined) return;
  const { threshold, where } = calibration;
  if (!Object.hasOwn(thresholds, threshold) || typeof thresholds[threshold] !== 'number') {
    throw new ScanError('E_RULE', `calibration.threshold: ${threshold} is no numeric threshold`, {
      file,
    });
  }
  if (where !== undefined) compileCondition(where, file);
}

/** Every folder below `root` that holds a `rule.yaml`; `root` itself may be one. */
export function ruleFolders(root: string): readonly string[] {
  if (existsSync(join(root, 'rule.yaml'))) return [root];
  let entries: string[];
  try {
    entries = readdirSync(root).toSorted();
  } catch (error) {
    throw new ScanError('E_RULE', toScanError(error).message, { file: root, cause: error });
  }
  return entries
    .map((name) => join(root, name))
    .filter((path) => existsSync(join(path, 'rule.yaml')));
}

export interface LoadOptions {
  /** User rule folders (`--rules`), after the shipped ones. */
  readonly folders?: readonly string[];
  /** Changes from configuration, by rule id or name. */
  readonly overrides?: Readonly<Record<string, RuleOverride>>;
}

/**
 * @returns all rules, sorted by id.
 * @throws ScanError `E_RULE` for a bad file or an id used twice, `E_CONFIG` for an override of nothing.
 */
export function loadRules(options: LoadOptions = {}): readonly Rule[] {
  const sources = [
    { root: BUILTIN_RULES, pack: 'builtin' },
    ...(options.folders ?? []).map((folder) => ({ root: resolve(folder), pack: folder })),
  ];
  const byId = new Map<string, Rule>();
  for (const { root, pack } of sources) {
    const folders = ruleFolders(root);
    if (folders.length === 0) throw new ScanError('E_RULE', 'no rule.yaml in it', { file: pack });
    for (const folder of folders) {
      const rule = loadRule(folder, pack);
      const other = byId.get(rule.id);
      if (other !== undefined) {
        throw new ScanError('E_RULE', `id ${rule.id} is already used by ${other.name}`, {
          file: folder,
        });
      }
      byId.set(rule.id, rule);
    }
  }
  return applyOverrides([...byId.values()], options.overrides ?? {}).toSorted((a, b) =>
    a.id < b.id ? -1 : 1,
  );
}

function applyOverrides(
  rules: readonly Rule[],
  overrides: Readonly<Record<string, RuleOverride>>,
): readonly Rule[] {
  for (const [key, override] of Object.entries(overrides)) {
    const rule = rules.find((candidate) => candidate.id === key || candidate.name === key);
    if (rule === undefined) throw new ScanError('E_CONFIG', `rules.${key}: there is no such rule`);
    for (const name of Object.keys(override.thresholds ?? {})) {
      if (!Object.hasOwn(rule.thresholds, name)) {
        throw new ScanError(
          'E_CONFIG',
          `rules.${key}.thresholds.${name}: there is no such threshold`,
        );
      }
    }
  }
  return rules.map((rule) => {
    const override = overrides[rule.id] ?? overrides[rule.name];
    if (override === undefined) return rule;
    return {
      ...rule,
      level: override.level ?? rule.level,
      enabled: override.enabled ?? rule.enabled,
      thresholds: { ...rule.thresholds, ...override.thresholds },
      ...(override.thresholds !== undefined && { configured: Object.keys(override.thresholds) }),
    };
  });
}
