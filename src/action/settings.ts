/**
 * What holds for a run: inputs over the repository's configuration. A pull request cannot excuse itself: settings that
 * it changes are left out until they are merged.
 */
import { existsSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { CONFIG_NAME, type Config, readConfig } from '../cli/config.ts';
import { ScanError } from '../errors.ts';
import type { ResultCalibration } from '../finding/finding.ts';
import { readCalibration } from '../judge/calibration.ts';
import { calibrationOf } from '../judge/shipped-calibration.ts';
import type { FailOn } from '../judge/verdict.ts';
import type { Inputs } from './inputs.ts';
import { digestOf } from './verdict-cache.ts';

export interface ActionSettings {
  readonly failOn: FailOn;
  readonly redact: 'triggers' | 'prompts' | 'all' | undefined;
  readonly config: Config | undefined;
  /** What the thresholds rest on. */
  readonly calibration: ResultCalibration;
  /** Rule folders of the input and of the configuration. */
  readonly ruleFolders: readonly string[];
  /** Arguments of `narrowfire scan` that say all this. */
  readonly scanArguments: readonly string[];
  /** Everything here that can change a verdict. */
  readonly identity: unknown;
  /** What was not applied, and why. */
  readonly notices: readonly string[];
}

export interface SettingsScope {
  readonly workspace: string;
  /** Paths that the pull request touches; undefined when there is none. */
  readonly touched: ReadonlySet<string> | undefined;
  readonly today: string;
}

/** @throws ScanError `E_OUTSIDE` for a path that leaves the checkout. */
function inWorkspace(workspace: string, path: string, input: string): string {
  const full = resolve(workspace, path);
  if (full !== workspace && !full.startsWith(workspace + sep)) {
    throw new ScanError('E_OUTSIDE', `input ${input} leaves the checkout`, { file: path });
  }
  return full;
}

export function settingsOf(inputs: Inputs, scope: SettingsScope): ActionSettings {
  const { workspace, touched, today } = scope;
  const notices: string[] = [];
  const isTouched = (full: string): boolean => {
    const path = relative(workspace, full).split(sep).join('/');
    return [...(touched ?? [])].some((one) => one === path || one.startsWith(`${path}/`));
  };
  const trusted = (what: string, full: string): boolean => {
    if (!isTouched(full)) return true;
    notices.push(`${what} is changed by this pull request and is not applied until it is merged`);
    return false;
  };
  const named = (path: string | undefined, input: string): string | undefined => {
    if (path === undefined) return undefined;
    const full = inWorkspace(workspace, path, input);
    return trusted(`the ${input} ${path}`, full) ? full : undefined;
  };

  const standard = join(workspace, CONFIG_NAME);
  const configFile =
    named(inputs.config, 'config') ??
    (inputs.config === undefined && existsSync(standard) && trusted(CONFIG_NAME, standard)
      ? standard
      : undefined);
  const read = configFile === undefined ? undefined : readConfig(configFile, workspace);
  const parts = [
    read?.baseline,
    read?.calibration,
    read?.base,
    read?.sae,
    read?.corpus,
    ...(read?.ruleFolders ?? []),
  ].filter((part) => part !== undefined);
  const isWhole = parts.every((part) =>
    trusted(`${relative(workspace, part)} (in the configuration)`, part),
  );
  const config = isWhole ? read : undefined;

  const rules = named(inputs.rules, 'rules');
  const baseline = named(inputs.baseline, 'baseline') ?? config?.baseline;
  const calibration = named(inputs.calibration, 'calibration') ?? config?.calibration;
  const workers = inputs.threads ?? config?.workers;
  const profile = inputs.profile ?? config?.profile ?? 'standard';
  const failOn = inputs['fail-on'] ?? config?.failOn ?? 'error';
  const device = inputs.device ?? config?.device ?? 'auto';
  const budget = inputs.budget ?? config?.budget;
  const redact = inputs.redact === 'none' ? undefined : inputs.redact;
  const files = [configFile, baseline, calibration, rules, ...parts].filter(
    (file) => file !== undefined,
  );
  return {
    failOn,
    redact,
    config,
    calibration: calibrationOf(
      calibration === undefined ? undefined : readCalibration(calibration),
    ),
    ruleFolders: [...(config?.ruleFolders ?? []), ...(rules === undefined ? [] : [rules])],
    scanArguments: [
      ...(config === undefined || configFile === undefined
        ? ['--no-config']
        : ['--config', configFile]),
      ...['--profile', profile, '--fail-on', failOn, '--device', device],
      ...(budget === undefined ? [] : ['--budget', budget]),
      ...(workers === undefined ? [] : ['--workers', String(workers)]),
      ...(baseline === undefined ? [] : ['--baseline', baseline]),
      ...(calibration === undefined ? [] : ['--calibration', calibration]),
      ...(rules === undefined ? [] : ['--rules', rules]),
      ...(redact === undefined ? [] : ['--redact', redact]),
    ],
    identity: {
      ...{ profile, failOn, device, budget, redact },
      usesConfig: config !== undefined,
      files: digestOf(files),
      // An ignore entry that expires changes the verdict on that day.
      today: config?.ignores.some(({ until }) => until !== undefined) === true ? today : undefined,
    },
    notices,
  };
}
