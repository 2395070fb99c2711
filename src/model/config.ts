/** Bounded, typed access to config.json: old and new key names, numbers checked before they size anything. */
import { readFileSync, statSync } from 'node:fs';
import { ScanError, toScanError } from '../errors.ts';

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

export class ModelConfig {
  readonly file: string;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>, file: string) {
    this.#values = values;
    this.file = file;
  }

  fail(problem: string): ScanError {
    return new ScanError('E_MODEL_CONFIG', problem, { file: this.file });
  }

  get modelType(): string {
    return this.string(['model_type'], '');
  }

  raw(key: string): unknown {
    return this.#values[key];
  }

  /** The first of `keys` that is present and not null. */
  #find(keys: readonly string[]): unknown {
    for (const key of keys) {
      const value = this.#values[key];
      if (value !== undefined && value !== null) return value;
    }
    return undefined;
  }

  /** A positive whole number up to `max`. */
  count(keys: readonly string[], fallback?: number, max = 10_000_000): number {
    const value = this.#find(keys) ?? fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > max) {
      throw this.fail(`${keys[0]} is ${JSON.stringify(value)}, wanted a whole number 1 to ${max}`);
    }
    return value;
  }

  number(keys: readonly string[], fallback?: number): number {
    const value = this.#find(keys) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw this.fail(`${keys[0]} is ${JSON.stringify(value)}, wanted a number`);
    }
    return value;
  }

  flag(keys: readonly string[], fallback: boolean): boolean {
    const value = this.#find(keys) ?? fallback;
    if (typeof value !== 'boolean') {
      throw this.fail(`${keys[0]} is ${JSON.stringify(value)}, wanted true or false`);
    }
    return value;
  }

  string(keys: readonly string[], fallback: string): string {
    const value = this.#find(keys) ?? fallback;
    if (typeof value !== 'string') {
      throw this.fail(`${keys[0]} is ${JSON.stringify(value)}, wanted text`);
    }
    return value;
  }

  /** A nested object, or undefined. */
  child(key: string): ModelConfig | undefined {
    const value = this.#values[key];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return new ModelConfig(value as Record<string, unknown>, this.file);
  }
}

/** @throws ScanError `E_MODEL_CONFIG` or `E_NOT_FOUND` */
export function readConfig(file: string): ModelConfig {
  let parsed: unknown;
  try {
    if (statSync(file).size > MAX_CONFIG_BYTES) {
      throw new ScanError('E_LIMIT', `config.json is larger than ${MAX_CONFIG_BYTES} bytes`);
    }
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (thrown) {
    if (thrown instanceof SyntaxError) {
      throw new ScanError('E_MODEL_CONFIG', `not JSON: ${thrown.message}`, { file, cause: thrown });
    }
    throw toScanError(thrown, file);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ScanError('E_MODEL_CONFIG', 'not a JSON object', { file });
  }
  return new ModelConfig(parsed as Record<string, unknown>, file);
}
