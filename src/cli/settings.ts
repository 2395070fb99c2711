/** Settings that several commands share: which configuration holds, colours, and what reports need to know. */
import { relative } from 'node:path';
import type { Rule } from '../judge/rule.ts';
import type { Taxonomy } from '../judge/taxonomy.ts';
import type { ReportContext } from '../report/report.ts';
import { type Config, findConfig, liesInTarget, readConfig } from './config.ts';
import type { Io } from './io.ts';

/** Well below GitHub's 5,000 shown and 25,000 accepted results a run. */
export const DEFAULT_MAX_RESULTS = 1000;

export interface ConfigFlags {
  readonly config?: string | false;
  readonly quiet?: boolean;
}

/** The configuration that holds: the one named, else the nearest upward unless a target carries it. */
export function loadConfig(flags: ConfigFlags, io: Io, targets: readonly string[]): Config {
  if (flags.config === false) return { ignores: [] };
  if (flags.config !== undefined) return readConfig(flags.config, io.cwd);
  const found = findConfig(io.cwd);
  if (found === undefined) return { ignores: [] };
  if (liesInTarget(found, targets)) {
    if (flags.quiet !== true) {
      io.stderr(
        `${relative(io.cwd, found)} lies inside a scanned target and is not used; name it with --config to use it\n`,
      );
    }
    return { ignores: [] };
  }
  return readConfig(found, io.cwd);
}

/** NO_COLOR and FORCE_COLOR are honoured (no-color.org, force-color.org). */
export function colorFor(when: 'auto' | 'always' | 'never', io: Io): boolean {
  if (when !== 'auto') return when === 'always';
  if ((io.env['NO_COLOR'] ?? '') !== '') return false;
  if ((io.env['FORCE_COLOR'] ?? '') !== '') return io.env['FORCE_COLOR'] !== '0';
  return io.stdoutIsTty && io.env['TERM'] !== 'dumb';
}

export interface ContextChoices {
  readonly sarifProfile: ReportContext['sarifProfile'];
  readonly maxResults: number | undefined;
  readonly category: string | undefined;
  readonly showSuppressed: boolean;
  readonly color: boolean;
  readonly timestamp: string | undefined;
}

export function reportContext(
  io: Io,
  rules: readonly Rule[],
  taxonomies: readonly Taxonomy[],
  choices: ContextChoices,
): ReportContext {
  const { timestamp } = choices;
  return {
    rules,
    taxonomies,
    sarifProfile: choices.sarifProfile,
    maxResults: choices.maxResults ?? DEFAULT_MAX_RESULTS,
    category: choices.category ?? 'scan',
    sourceRoot: io.env['GITHUB_WORKSPACE'] ?? io.cwd,
    showSuppressed: choices.showSuppressed,
    color: choices.color,
    width: Math.max(40, Math.min(io.columns, 120)),
    ...(timestamp !== undefined && { timestamp }),
  };
}
