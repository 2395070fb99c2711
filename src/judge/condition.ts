/**
 * Rule conditions in CEL: no loops without bound, no calls out of the language, no access to the process.
 * Evidence numbers are CEL doubles; arithmetic with integer literals is allowed, as rule writers expect.
 */
import { type Context, Environment } from '@marcbachmann/cel-js';
import { ScanError } from '../errors.ts';

type Arithmetic = (a: number, b: number) => number;

const ARITHMETIC: Readonly<Record<string, Arithmetic>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
};

function createEnvironment(): Environment {
  const environment = new Environment({ limits: { maxAstNodes: 2000, maxDepth: 60 } })
    .registerVariable('e', 'dyn')
    .registerVariable('t', 'dyn');
  for (const [operator, apply] of Object.entries(ARITHMETIC)) {
    const mixed = (a: unknown, b: unknown) => apply(Number(a), Number(b));
    environment.registerOperator(`double ${operator} int`, mixed);
    environment.registerOperator(`int ${operator} double`, mixed);
  }
  return environment;
}

export interface Scope {
  readonly e: unknown;
  readonly t: unknown;
}

/** @returns whether the condition holds. @throws Error when a field it reads is absent. */
export type Condition = (scope: Scope) => boolean;

let shared: Environment | undefined;

/** @throws ScanError `E_RULE` when the text is no CEL or cannot give true or false. */
export function compileCondition(text: string, file: string): Condition {
  shared ??= createEnvironment();
  let program: ReturnType<Environment['parse']>;
  try {
    program = shared.parse(text);
  } catch (error) {
    throw new ScanError('E_RULE', `when: ${firstLine(error)}`, { file });
  }
  const check = program.check();
  if (!check.valid) throw new ScanError('E_RULE', `when: ${firstLine(check.error)}`, { file });
  if (check.type !== 'bool' && check.type !== 'dyn') {
    throw new ScanError('E_RULE', `when: gives ${check.type}, not true or false`, { file });
  }
  return (scope) => {
    const value: unknown = program(scope as unknown as Context);
    if (typeof value !== 'boolean') throw new Error('the condition gave neither true nor false');
    return value;
  };
}

export function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? '';
}
