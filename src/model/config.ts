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

  /** The first entry of `architectures`, such as `LlamaForCausalLM`; empty when there is none. */
  get architecture(): string {
    const names = this.#values['architectures'];
    const first: unknown = Array.isArray(names) ? names[0] : undefined;
    return typeof first === 'string' ? first : '';
  }

  /** Whether `architectures` says that the model predicts masked tokens. */
  get isMaskedModel(): boolean {
    return /For(?:MaskedLM|PreTraining)$/.test(this.architecture);
  }

  /** Names of a classifier's classes in order; those without a name get their number. */
  get labels(): readonly string[] {
    const named = this.child('id2label');
    const count = this.count(['num_labels'], named?.keys.length ?? 2, 100_000);
    return Array.from({ length: count }, (_, i) => {
      const label = named?.raw(String(i));
      return typeof label === 'string' ? label : String(i);
    });
  }

  get keys(): readonly string[] {
    return Object.keys(this.#values);
  }

  raw(key: string): unknown {
    return this.#values[key];
  }

  /** Present and not null. */
  has(key: string): boolean {
    return this.#find([key]) !== undefined;
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

  /** A whole number from zero: an id or an offset. */
  index(keys: readonly string[], fallback?: number): number {
    const value = this.#find(keys) ?? fallback;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 10_000_000) {
      throw this.fail(`${keys[0]} is ${JSON.stringify(value)}, wanted a whole number from 0`);
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

  /** A number above zero: an epsilon, a scale, a frequency base. */
  positive(keys: readonly string[], fallback?: number): number {
    const value = this.number(keys, fallback);
    if (value <= 0) throw this.fail(`${keys[0]} is ${value}, wanted a number above zero`);
    return value;
  }

  /** A positive whole number, or undefined where the key is absent or null. */
  optionalCount(keys: readonly string[]): number | undefined {
    return this.#find(keys) === undefined ? undefined : this.count(keys);
  }

  /** A number above zero; undefined where the key is null, `fallback` where it is absent. */
  optionalPositive(key: string, fallback?: number): number | undefined {
    const value = this.#values[key];
    if (value === null) return undefined;
    return value === undefined ? fallback : this.positive([key]);
  }

  /** A list of numbers above zero of a known length. */
  positives(key: string, length: number): number[] {
    const value = this.#find([key]);
    const good =
      Array.isArray(value) &&
      value.length === length &&
      value.every((item) => typeof item === 'number' && Number.isFinite(item) && item > 0);
    if (!good) throw this.fail(`${key} is not a list of ${length} numbers above zero`);
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

  /** The same config with some values replaced. */
  with(values: Readonly<Record<string, unknown>>): ModelConfig {
    return new ModelConfig({ ...this.#values, ...values }, this.file);
  }

  /** A nested object, or undefined. */
  child(key: string): ModelConfig | undefined {
    const value = this.#values[key];
    return isRecord(value) ? new ModelConfig(value, this.file) : undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws ScanError `E_MODEL_CONFIG`, `E_NOT_FOUND` or `E_LIMIT` */
export function readConfig(file: string): ModelConfig {
  const parsed = readJson(file);
  if (!isRecord(parsed)) throw new ScanError('E_MODEL_CONFIG', 'not a JSON object', { file });
  return new ModelConfig(parsed, file);
}

/**
 * A configuration file of a model, bounded.
 * @throws ScanError `E_MODEL_CONFIG`, `E_NOT_FOUND` or `E_LIMIT`
 */
export function readJson(file: string): unknown {
  try {
    if (statSync(file).size > MAX_CONFIG_BYTES) {
      throw new ScanError('E_LIMIT', `the file is larger than ${MAX_CONFIG_BYTES} bytes`);
    }
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (thrown) {
    if (thrown instanceof SyntaxError) {
      throw new ScanError('E_MODEL_CONFIG', `not JSON: ${thrown.message}`, { file, cause: thrown });
    }
    throw toScanError(thrown, file);
  }
}
