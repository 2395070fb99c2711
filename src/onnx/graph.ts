/**
 * Typed builder of ONNX graphs. Weights become external data that points straight into their files,
 * so a graph of any model is kilobytes and the engine maps the weights (reference: ONNX IR specification,
 * "External Tensor Data").
 */
import type { LocatedTensor } from '../artifact/tensor.ts';
import type { Branded } from '../finding/finding.ts';

/** Name of a value inside one graph. */
export type Value = Branded<string, 'Value'>;
export type Dim = number | string;
export type ElementType = 'f32' | 'f16' | 'bf16' | 'i64' | 'i32' | 'i8' | 'u8' | 'bool';

export type Attribute =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'ints'; readonly value: readonly number[] }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'graph'; readonly value: Graph };

export interface Node {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly (Value | '')[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface ValueInfo {
  readonly name: Value;
  readonly type: ElementType;
  readonly dims: readonly Dim[];
}

export interface ConstantTensor {
  readonly name: Value;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
}

export interface ExternalTensor {
  readonly name: Value;
  readonly type: ElementType;
  readonly tensor: LocatedTensor;
}

export const float = (value: number): Attribute => ({ type: 'float', value });
export const int = (value: number): Attribute => ({ type: 'int', value });
export const ints = (value: readonly number[]): Attribute => ({ type: 'ints', value });
export const text = (value: string): Attribute => ({ type: 'string', value });

const EXTERNAL_TYPES: Readonly<Record<string, ElementType>> = {
  f32: 'f32',
  f16: 'f16',
  bf16: 'bf16',
  i8: 'i8',
  u8: 'u8',
  i32: 'i32',
  i64: 'i64',
};

export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs: ValueInfo[] = [];
  readonly outputs: ValueInfo[] = [];
  readonly constants: ConstantTensor[] = [];
  readonly externals: ExternalTensor[] = [];
  readonly #known = new Map<string, Value>();
  readonly #names: { next: number };

  constructor(parent?: Graph) {
    // A subgraph sees its parent's values, so their names must never meet.
    this.#names = parent === undefined ? { next: 0 } : parent.#names;
  }

  input(name: string, type: ElementType, dims: readonly Dim[]): Value {
    const value = name as Value;
    this.inputs.push({ name: value, type, dims });
    return value;
  }

  /** Declares `value` as an output called `name`. */
  output(name: string, value: Value, type: ElementType, dims: readonly Dim[]): void {
    this.#push('Identity', [value], [name as Value], {}, '');
    this.outputs.push({ name: name as Value, type, dims });
  }

  /** One output. */
  op(
    opType: string,
    inputs: readonly (Value | '')[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): Value {
    const output = this.#fresh(opType);
    this.#push(opType, inputs, [output], attributes, domain);
    return output;
  }

  /** Several outputs. */
  ops(
    opType: string,
    inputs: readonly (Value | '')[],
    outputCount: number,
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): Value[] {
    const outputs = Array.from({ length: outputCount }, () => this.#fresh(opType));
    this.#push(opType, inputs, outputs, attributes, domain);
    return outputs;
  }

  /** A weight, mapped from its file; the same tensor is declared once. */
  external(tensor: LocatedTensor): Value {
    const key = `external:${tensor.file}:${tensor.byteOffset}:${tensor.dtype}:${tensor.shape}`;
    const type = EXTERNAL_TYPES[tensor.dtype];
    if (type === undefined) throw new Error(`no ONNX external type for ${tensor.dtype}`);
    return this.#once(key, () => {
      const name = this.#fresh('weight');
      this.externals.push({ name, type, tensor });
      return name;
    });
  }

  /** float32 constant; `dims` defaults to a scalar or a vector. */
  f32(values: number | readonly number[] | Float32Array, dims?: readonly number[]): Value {
    const data = typeof values === 'number' ? Float32Array.of(values) : Float32Array.from(values);
    return this.#constant('f32', data, dims ?? (typeof values === 'number' ? [] : [data.length]));
  }

  i64(values: number | readonly number[], dims?: readonly number[]): Value {
    const list = typeof values === 'number' ? [values] : values;
    const data = BigInt64Array.from(list, BigInt);
    return this.#constant('i64', data, dims ?? (typeof values === 'number' ? [] : [list.length]));
  }

  u8(value: number): Value {
    return this.#constant('u8', Uint8Array.of(value), []);
  }

  bool(value: boolean): Value {
    return this.#constant('bool', Uint8Array.of(value ? 1 : 0), []);
  }

  /** A subgraph for Loop or If; its nodes may use this graph's values. */
  subgraph(): Graph {
    return new Graph(this);
  }

  add = (a: Value, b: Value): Value => this.op('Add', [a, b]);
  sub = (a: Value, b: Value): Value => this.op('Sub', [a, b]);
  mul = (a: Value, b: Value): Value => this.op('Mul', [a, b]);
  div = (a: Value, b: Value): Value => this.op('Div', [a, b]);
  matmul = (a: Value, b: Value): Value => this.op('MatMul', [a, b]);
  reshape = (x: Value, dims: readonly number[] | Value): Value =>
    this.op('Reshape', [x, typeof dims === 'string' ? dims : this.i64(dims)]);
  transpose = (x: Value, perm: readonly number[]): Value =>
    this.op('Transpose', [x], { perm: ints(perm) });
  concat = (values: readonly Value[], axis: number): Value =>
    this.op('Concat', values, { axis: int(axis) });
  gather = (data: Value, indices: Value, axis = 0): Value =>
    this.op('Gather', [data, indices], { axis: int(axis) });
  cast = (x: Value, type: ElementType): Value =>
    this.op('Cast', [x], { to: int(ELEMENT_TYPE_IDS[type]) });
  softmax = (x: Value, axis = -1): Value => this.op('Softmax', [x], { axis: int(axis) });
  reduce = (
    kind: 'Sum' | 'Mean' | 'Max',
    x: Value,
    axes: readonly number[],
    keepDims = true,
  ): Value => this.op(`Reduce${kind}`, [x, this.i64(axes)], { keepdims: int(keepDims ? 1 : 0) });
  unsqueeze = (x: Value, axes: readonly number[]): Value =>
    this.op('Unsqueeze', [x, this.i64(axes)]);
  slice = (x: Value, start: number, end: number, axis: number): Value =>
    this.op('Slice', [x, this.i64([start]), this.i64([end]), this.i64([axis])]);

  #constant(type: ElementType, data: ArrayBufferView, dims: readonly number[]): Value {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const make = () => {
      const name = this.#fresh('const');
      this.constants.push({ name, type, dims, bytes });
      return name;
    };
    if (bytes.byteLength > 256) return make();
    return this.#once(`const:${type}:${dims}:${bytes.join()}`, make);
  }

  #once(key: string, make: () => Value): Value {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#known.set(key, made);
    return made;
  }

  #fresh(stem: string): Value {
    return `${stem}_${this.#names.next++}` as Value;
  }

  #push(
    opType: string,
    inputs: readonly (Value | '')[],
    outputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>>,
    domain: string,
  ): void {
    this.nodes.push({ opType, domain, inputs, outputs, attributes });
  }
}

/** TensorProto.DataType numbers. */
export const ELEMENT_TYPE_IDS: Readonly<Record<ElementType, number>> = {
  f32: 1,
  u8: 2,
  i8: 3,
  i32: 6,
  i64: 7,
  bool: 9,
  f16: 10,
  bf16: 16,
};
