/**
 * Runs a composite action as a runner does, as far as ours needs it: expressions of inputs and step outputs, `if`,
 * `env`, `run` with bash. Steps that use another action are recorded with their inputs and do nothing.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readOutputs } from './world.ts';

export interface Step {
  readonly id?: string;
  readonly name: string;
  readonly if?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, string | boolean>>;
  readonly run?: string;
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface ActionFile {
  readonly inputs: Readonly<
    Record<string, { readonly description: string; readonly default: string }>
  >;
  readonly outputs: Readonly<
    Record<string, { readonly description: string; readonly value: string }>
  >;
  readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

export function readActionFile(file = 'action.yml'): ActionFile {
  return parse(readFileSync(file, 'utf8')) as ActionFile;
}

type Outputs = Readonly<Record<string, string>>;

export interface Performed {
  readonly code: number;
  readonly log: string;
  /** Names of the steps that ran, in order. */
  readonly steps: readonly string[];
  /** Inputs of the actions that were used, by step name. */
  readonly used: Readonly<Record<string, Outputs>>;
  readonly outputs: Outputs;
}

interface Scope {
  readonly inputs: Outputs;
  readonly steps: Map<string, Outputs>;
  failed: boolean;
}

/** One operand: a quoted text or a name such as `steps.scan.outputs.upload`. */
function operandOf(expression: string, scope: Scope): string {
  const text = expression.trim();
  const quoted = /^'(.*)'$/.exec(text)?.[1];
  if (quoted !== undefined) return quoted;
  const input = /^inputs\.([\w-]+)$/.exec(text)?.[1];
  if (input !== undefined) {
    if (!Object.hasOwn(scope.inputs, input)) throw new Error(`no input ${input}`);
    return scope.inputs[input] ?? '';
  }
  const output = /^steps\.([\w-]+)\.outputs\.([\w-]+)$/.exec(text);
  if (output === null) throw new Error(`cannot evaluate ${text}`);
  return scope.steps.get(output[1] ?? '')?.[output[2] ?? ''] ?? '';
}

function substitute(text: string, scope: Scope): string {
  return text.replaceAll(/\$\{\{(.*?)\}\}/g, (_all, expression: string) =>
    operandOf(expression, scope),
  );
}

/** Conditions joined by `&&`; without `always()` a step runs only while nothing failed. */
function isDue(step: Step, scope: Scope): boolean {
  const terms = (step.if ?? 'true').split('&&').map((term) => term.trim());
  if (scope.failed && !terms.includes('always()')) return false;
  return terms.every((term) => {
    if (term === 'true' || term === 'always()') return true;
    const [left = '', operator, right = ''] = term.split(/\s*(==|!=)\s*/);
    const equal = operandOf(left, scope) === operandOf(right, scope);
    return operator === '==' ? equal : !equal;
  });
}

function bash(script: string, env: Record<string, string>, cwd: string) {
  return new Promise<{ code: number; log: string }>((resolve) => {
    const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
      cwd,
      env,
    });
    let log = '';
    child.stdout.on('data', (chunk) => {
      log += chunk;
    });
    child.stderr.on('data', (chunk) => {
      log += chunk;
    });
    child.on('close', (code) => resolve({ code: code ?? -1, log }));
  });
}

export async function performAction(
  action: ActionFile,
  given: Outputs,
  runner: Record<string, string>,
): Promise<Performed> {
  const defaults = Object.entries(action.inputs).map(([name, input]) => [name, input.default]);
  const scope: Scope = {
    inputs: { ...Object.fromEntries(defaults), ...given },
    steps: new Map(),
    failed: false,
  };
  const steps: string[] = [];
  const used: Record<string, Outputs> = {};
  let [code, log] = [0, ''];
  for (const step of action.runs.steps) {
    if (!isDue(step, scope)) continue;
    steps.push(step.name);
    const filled = (
      values: Readonly<Record<string, string | boolean>> = {},
    ): Record<string, string> =>
      Object.fromEntries(
        Object.entries(values).map(([name, value]) => [name, substitute(String(value), scope)]),
      );
    if (step.uses !== undefined) {
      used[step.name] = filled(step.with);
      continue;
    }
    const file = join(mkdtempSync(join(runner['RUNNER_TEMP'] ?? '', 'step-')), 'output');
    writeFileSync(file, '');
    const env = { ...runner, ...filled(step.env), GITHUB_OUTPUT: file };
    const ran = await bash(step.run ?? '', env, runner['GITHUB_WORKSPACE'] ?? '');
    log += ran.log;
    if (step.id !== undefined) scope.steps.set(step.id, readOutputs(file));
    if (ran.code !== 0) {
      scope.failed = true;
      code = ran.code;
    }
  }
  const outputs = Object.entries(action.outputs).map(([name, output]) => [
    name,
    substitute(output.value, scope),
  ]);
  return { code, log, steps, used, outputs: Object.fromEntries(outputs) };
}
