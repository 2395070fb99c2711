/** Tensors of a dictionary file with their shapes checked before anything is read or sized by them. */
import { elementCount } from '../../artifact/tensor.ts';
import { readAll } from '../../artifact/values/tensor-values.ts';
import { ScanError } from '../../errors.ts';
import type { StoredTensor } from '../../model/weights/stored.ts';
import type { Matrix } from '../dictionary.ts';

/** Vectors are a feature or a model dimension long; both stay under this in any published dictionary. */
const MAX_VECTOR = 2 ** 24;
/** A matrix that cannot be mapped is copied into memory up to this. */
const MAX_COPIED_ELEMENTS = 2 ** 28;
const MAPPED_DTYPES: ReadonlySet<string> = new Set(['f32', 'f16', 'bf16']);

export class TensorBag {
  readonly file: string;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;

  constructor(tensors: ReadonlyMap<string, StoredTensor>, file: string) {
    this.#tensors = tensors;
    this.file = file;
  }

  get names(): string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  fail(problem: string): ScanError {
    return new ScanError('E_SAE', problem, { file: this.file });
  }

  /** Without leading dimensions of 1: some files keep a vector as [1, n]. */
  shape(name: string): readonly number[] {
    const { shape } = this.#get(name);
    const first = shape.findIndex((dim) => dim !== 1);
    return first <= 0 ? shape : shape.slice(first);
  }

  /** Length of a vector, checked to be one. */
  vectorLength(name: string): number {
    const shape = this.shape(name);
    const [length] = shape;
    if (shape.length !== 1 || length === undefined || length < 1 || length > MAX_VECTOR) {
      throw this.fail(`tensor "${name}" is [${shape}], wanted a vector`);
    }
    return length;
  }

  /** @throws ScanError `E_SAE` for another length or values that are not finite */
  vector(name: string, length: number): Float32Array {
    const shape = this.shape(name);
    if (elementCount(shape) !== length || shape.length > 1) {
      throw this.fail(`tensor "${name}" is [${shape}], wanted [${length}]`);
    }
    return this.#read(name);
  }

  /** One number for all, or one each. */
  scalarOrVector(name: string, length: number): Float32Array {
    if (elementCount(this.shape(name)) !== 1) return this.vector(name, length);
    return new Float32Array(length).fill(this.#read(name)[0] as number);
  }

  scalar(name: string): number {
    if (elementCount(this.shape(name)) !== 1) throw this.fail(`tensor "${name}" is not a number`);
    return this.#read(name)[0] as number;
  }

  /**
   * A linear map. Names do not tell its orientation, so the shape does; a square one follows the family's rule.
   * @param whenSquare how this family stores it
   */
  matrix(name: string, inputs: number, outputs: number, whenSquare: Matrix['layout']): Matrix {
    const tensor = this.#get(name);
    const [rows, columns] = tensor.shape;
    const isInOut = rows === inputs && columns === outputs;
    const isOutIn = rows === outputs && columns === inputs;
    if (tensor.shape.length !== 2 || (!isInOut && !isOutIn)) {
      throw this.fail(
        `tensor "${name}" is [${tensor.shape}], wanted [${inputs}, ${outputs}] or its transpose`,
      );
    }
    const layout = inputs === outputs ? whenSquare : isInOut ? 'in-out' : 'out-in';
    const shape: readonly [number, number] = [rows as number, columns as number];
    if (tensor.located !== undefined && MAPPED_DTYPES.has(tensor.located.dtype)) {
      return { kind: 'file', tensor: tensor.located, layout, shape };
    }
    if (elementCount(shape) > MAX_COPIED_ELEMENTS) {
      throw this.fail(`tensor "${name}" is too large to be copied from its file`);
    }
    return { kind: 'memory', data: this.#read(name), layout, shape };
  }

  #get(name: string): StoredTensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw this.fail(`tensor "${name}" is absent`);
    return tensor;
  }

  #read(name: string): Float32Array {
    const { values, unread } = this.#get(name);
    if (values === undefined) {
      throw this.fail(`tensor "${name}": ${unread ?? 'holds no floating-point numbers'}`);
    }
    const data = readAll(values);
    if (data.some((value) => !Number.isFinite(value))) {
      throw this.fail(`tensor "${name}" holds NaN or infinite values`);
    }
    return data;
  }
}
