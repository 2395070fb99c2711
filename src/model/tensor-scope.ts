/**
 * The tensors of a model under one dotted prefix, and the parts that every family builds from them:
 * linear maps and norms, with shapes checked against what config.json claims.
 */
import type { LocatedTensor } from '../artifact/tensor.ts';
import type { LinearSpec, NormSpec } from './spec.ts';

/** What a scope reads from; a `WeightSet` is one. */
export interface TensorLookup {
  has(name: string): boolean;
  /** @throws ScanError `E_TENSOR_MISSING`, `E_TENSOR_SHAPE` */
  get(name: string, shape?: readonly number[]): LocatedTensor;
}

export interface LinearOptions {
  readonly bias?: boolean;
  /** `in-out` for GPT-2's Conv1D. */
  readonly layout?: 'out-in' | 'in-out';
}

export class TensorScope {
  readonly #tensors: TensorLookup;
  readonly #prefix: string;

  constructor(tensors: TensorLookup, prefix = '') {
    this.#tensors = tensors;
    this.#prefix = prefix;
  }

  /** The scope below `path`; the scope itself for an empty path. */
  at(path: string | number): TensorScope {
    return path === '' ? this : new TensorScope(this.#tensors, `${this.#prefix}${path}.`);
  }

  /** The scope below the first of `paths` that holds `name`; the first one when none does. */
  firstWith(name: string, paths: readonly string[]): TensorScope {
    const found = paths.find((path) => this.at(path).has(name));
    return this.at(found ?? paths[0] ?? '');
  }

  has(name: string): boolean {
    return this.#tensors.has(`${this.#prefix}${name}`);
  }

  get(name: string, shape: readonly number[]): LocatedTensor {
    return this.#tensors.get(`${this.#prefix}${name}`, shape);
  }

  /** `name.weight`, and `name.bias` if asked for. */
  linear(name: string, out: number, input: number, options: LinearOptions = {}): LinearSpec {
    const layout = options.layout ?? 'out-in';
    const shape = layout === 'out-in' ? [out, input] : [input, out];
    const weight = this.get(`${name}.weight`, shape);
    if (options.bias !== true) return { weight, layout };
    return { weight, bias: this.get(`${name}.bias`, [out]), layout };
  }

  layerNorm(name: string, width: number, epsilon: number, bias = true): NormSpec {
    // TensorFlow-era BERT files call the gain gamma and the bias beta.
    const old = !this.has(`${name}.weight`) && this.has(`${name}.gamma`);
    const weight = this.get(`${name}.${old ? 'gamma' : 'weight'}`, [width]);
    const base = { kind: 'layer', weight, epsilon, weightOffset: 0 } as const;
    return bias ? { ...base, bias: this.get(`${name}.${old ? 'beta' : 'bias'}`, [width]) } : base;
  }

  rmsNorm(name: string, width: number, epsilon: number, weightOffset: 0 | 1 = 0): NormSpec {
    return { kind: 'rms', weight: this.get(`${name}.weight`, [width]), epsilon, weightOffset };
  }
}
