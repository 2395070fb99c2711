/**
 * The only file that imports onnxruntime-node. One session is one graph on one device; inputs and outputs are
 * plain typed arrays. `run` blocks its thread (reference: onnxruntime issue 19611), so sessions live in workers.
 */
import * as ort from 'onnxruntime-node';
import { ScanError } from '../errors.ts';
import { type EncodedGraph, encodeGraph } from '../onnx/encode.ts';
import { Graph } from '../onnx/graph.ts';

/** Version of the engine and the execution providers that its binary for this platform was built with. */
export function engineBuild(): { readonly version: string; readonly providers: readonly string[] } {
  const providers = ort.listSupportedBackends().map(({ name }) => name);
  return { version: ort.env.versions.node ?? ort.env.versions.common, providers };
}

export type Device = 'cpu' | 'cuda' | 'webgpu' | 'dml' | 'coreml';

/** float32 and int64 are all that crosses the border; int64 values travel as 32-bit numbers. */
export type FeedValue =
  | { readonly type: 'f32'; readonly data: Float32Array; readonly dims: readonly number[] }
  | { readonly type: 'i64'; readonly data: Int32Array; readonly dims: readonly number[] };

export interface OutputValue {
  readonly data: Float32Array | Int32Array;
  readonly dims: readonly number[];
}

export type Feeds = Readonly<Record<string, FeedValue>>;
export type Outputs = Readonly<Record<string, OutputValue>>;

export interface SessionOptions {
  readonly device: Device;
  /** Prepacked weights are 2 to 4 % faster and cost a private copy of them. */
  readonly prepack?: boolean;
}

export class Session {
  readonly #inner: ort.InferenceSession;

  private constructor(inner: ort.InferenceSession) {
    this.#inner = inner;
  }

  /** @throws ScanError `E_ENGINE`, `E_DEVICE` */
  static async open(graph: Graph | EncodedGraph, options: SessionOptions): Promise<Session> {
    const { model, externalRoot } = graph instanceof Graph ? encodeGraph(graph) : graph;
    try {
      const inner = await ort.InferenceSession.create(model, {
        executionProviders: [options.device],
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        enableCpuMemArena: true,
        logSeverityLevel: 4,
        extra: {
          session: {
            model_external_initializers_file_folder_path: externalRoot,
            disable_prepacking: options.prepack === true ? '0' : '1',
            'intra_op.allow_spinning': '0',
          },
        },
      });
      return new Session(inner);
    } catch (cause) {
      const code = options.device === 'cpu' ? 'E_ENGINE' : 'E_DEVICE';
      throw new ScanError(code, `the engine refused the graph: ${messageOf(cause)}`, { cause });
    }
  }

  /** @throws ScanError `E_ENGINE` */
  async run(feeds: Feeds, wanted?: readonly string[]): Promise<Outputs> {
    const inputs: Record<string, ort.Tensor> = {};
    for (const [name, value] of Object.entries(feeds)) inputs[name] = toTensor(value);
    try {
      const results = await (wanted === undefined
        ? this.#inner.run(inputs)
        : this.#inner.run(inputs, [...wanted]));
      const outputs: Record<string, OutputValue> = {};
      for (const [name, tensor] of Object.entries(results)) {
        outputs[name] = { data: toPlain(name, tensor.data), dims: tensor.dims };
      }
      return outputs;
    } catch (cause) {
      throw new ScanError('E_ENGINE', `a run failed: ${messageOf(cause)}`, { cause });
    }
  }

  async close(): Promise<void> {
    await this.#inner.release();
  }
}

function toTensor(value: FeedValue): ort.Tensor {
  if (value.type === 'f32') return new ort.Tensor('float32', value.data, value.dims);
  const data = new BigInt64Array(value.data.length);
  for (let i = 0; i < data.length; i++) data[i] = BigInt(value.data[i] as number);
  return new ort.Tensor('int64', data, value.dims);
}

function toPlain(name: string, data: unknown): Float32Array | Int32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array) return Int32Array.from(data, Number);
  throw new ScanError('E_ENGINE', `output ${name} is neither float32 nor int64`);
}

function messageOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.replaceAll(/\s+/g, ' ').slice(0, 400);
}

/** float32 output by name. */
export function f32Output(outputs: Outputs, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new ScanError('E_ENGINE', `no float output ${name}`);
  return data;
}

/** int64 output by name, as numbers. */
export function i64Output(outputs: Outputs, name: string): Int32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Int32Array)) throw new ScanError('E_ENGINE', `no int output ${name}`);
  return data;
}

export function ids(data: ArrayLike<number>, dims: readonly number[]): FeedValue {
  return { type: 'i64', data: Int32Array.from(data), dims };
}

export function floats(data: ArrayLike<number>, dims: readonly number[]): FeedValue {
  return { type: 'f32', data: Float32Array.from(data), dims };
}
