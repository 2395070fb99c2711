/** Piscina worker of a list scan: rules and lists are loaded once, then one target after the other. Started from `dist/`. */
import { workerData } from 'piscina';
import { loadLists } from '../judge/lists.ts';
import { loadRules } from '../judge/load-rules.ts';
import type { ListEntry } from './list-entry.ts';
import { type ListSettings, listScanner } from './list-scanner.ts';

export interface ListTask {
  readonly target: string;
  readonly index: number;
}

const settings = workerData as ListSettings;
const { ruleFolders: folders, overrides } = settings;
const ruleOptions = { folders, ...(overrides !== undefined && { overrides }) };
const scanOne = listScanner(settings, loadRules(ruleOptions), loadLists());

/** piscina calls it by name. */
export function scanTask({ target, index }: ListTask): Promise<ListEntry> {
  return scanOne(target, index);
}
