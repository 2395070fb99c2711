/** PEFT LoRA and DoRA adapters: low-rank pairs by module, read without their base model. */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { elementCount } from '../../artifact/tensor.ts';
import type { TensorValues } from '../../artifact/values/tensor-values.ts';
import { ScanError } from '../../errors.ts';
import { type ModelConfig, readConfig } from '../config.ts';
import { openSafetensors } from './safetensors-weights.ts';
import type { StoredTensor, StoredWeights } from './stored.ts';
import { openTorch } from './torch-weights.ts';

export const ADAPTER_CONFIG = 'adapter_config.json';
const MAX_RANK = 4096;
const MAGNITUDE = /^(?:base_model\.model\.)?(.+)\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?$/;
const PAIR = /^(?:base_model\.model\.)?(.+)\.lora_(embedding_)?([AB])(?:\.[^.]+)?(?:\.weight)?$/;

/** Adds `scale · B·A` to the module's weight; DoRA (arXiv 2402.09353) then sets the norm of each output's row. */
export interface LowRankPair {
  /** Name of the module in the base model, without `.weight`. */
  readonly module: string;
  readonly kind: 'linear' | 'embedding';
  /** [rank, in] */
  readonly down: TensorValues;
  /** [out, rank] */
  readonly up: TensorValues;
  readonly rank: number;
  readonly scale: number;
  /** DoRA: what each output's norm becomes after the update, [out]. */
  readonly magnitude?: TensorValues;
  readonly file: string;
}

export interface Adapter extends Disposable {
  readonly weights: StoredWeights;
  readonly configFile: string;
  readonly pairs: readonly LowRankPair[];
  /** Tensors that replace the base's, by the base's name. */
  readonly replacements: ReadonlyMap<string, StoredTensor>;
  /** The base weight is stored [in, out], as GPT-2's Conv1D. */
  readonly fanInFanOut: boolean;
}

export function isAdapterFolder(folder: string): boolean {
  return existsSync(join(folder, ADAPTER_CONFIG));
}

/** @throws ScanError `E_MODEL_CONFIG`, `E_TENSOR_MISSING`, `E_TENSOR_SHAPE`, `E_NOT_FOUND` */
export function openAdapter(folder: string): Adapter {
  const configFile = join(realpathSync(folder), ADAPTER_CONFIG);
  const config = readConfig(configFile);
  checkKind(config);
  const weights = openAdapterWeights(folder);
  try {
    const { pairs, replacements } = pairsOf(weights, config);
    const fanInFanOut = config.flag(['fan_in_fan_out'], false);
    const close = () => weights[Symbol.dispose]();
    return { weights, configFile, pairs, replacements, fanInFanOut, [Symbol.dispose]: close };
  } catch (error) {
    weights[Symbol.dispose]();
    throw error;
  }
}

function checkKind(config: ModelConfig): void {
  const kind = config.string(['peft_type'], 'LORA');
  if (kind !== 'LORA') throw config.fail(`adapters of type ${JSON.stringify(kind)} are not read`);
}

function openAdapterWeights(folder: string): StoredWeights {
  const named = join(folder, 'adapter_model.safetensors');
  if (existsSync(named)) return openSafetensors([realpathSync(named)]);
  const checkpoint = join(folder, 'adapter_model.bin');
  if (existsSync(checkpoint)) return openTorch([realpathSync(checkpoint)]);
  const others = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  const [only] = others;
  if (others.length === 1 && only !== undefined) {
    return openSafetensors([realpathSync(join(folder, only))]);
  }
  throw new ScanError('E_NOT_FOUND', 'the folder holds no adapter_model.safetensors', {
    file: folder,
  });
}

function pairsOf(weights: StoredWeights, config: ModelConfig) {
  const halves = new Map<string, { A?: StoredTensor; B?: StoredTensor; embedding: boolean }>();
  const replacements = new Map<string, StoredTensor>();
  const magnitudes = new Map<string, StoredTensor>();
  for (const tensor of weights.tensors.values()) {
    const [, scaled] = MAGNITUDE.exec(tensor.name) ?? [];
    if (scaled !== undefined) {
      magnitudes.set(scaled, tensor);
      continue;
    }
    const match = PAIR.exec(tensor.name);
    const [, module, embedding, half] = match ?? [];
    if (module === undefined || (half !== 'A' && half !== 'B')) {
      if (/\.lora_/.test(tensor.name)) throw config.fail(`tensor "${tensor.name}" is not known`);
      replacements.set(baseName(tensor.name), tensor);
      continue;
    }
    const entry = halves.get(module) ?? { embedding: embedding !== undefined };
    halves.set(module, { ...entry, [half]: tensor });
  }
  const pairs = [...halves].map(([module, { A, B, embedding }]) => {
    if (A?.values === undefined || B?.values === undefined) {
      throw new ScanError('E_TENSOR_MISSING', `module "${module}" has one half of a LoRA pair`, {
        file: config.file,
      });
    }
    const [rank = 0] = A.shape;
    if (A.shape.length !== 2 || B.shape.length !== 2 || B.shape[1] !== rank || rank > MAX_RANK) {
      const problem = `LoRA pair of "${module}" is [${A.shape}] and [${B.shape}]`;
      throw new ScanError('E_TENSOR_SHAPE', problem, { file: A.file });
    }
    const magnitude = magnitudeOf(magnitudes.get(module), module, B.shape[0] ?? 0);
    magnitudes.delete(module);
    if (embedding && magnitude !== undefined) {
      throw config.fail(`DoRA of an embedding ("${module}") is not read`);
    }
    return {
      module,
      ...(magnitude !== undefined && { magnitude }),
      kind: embedding ? ('embedding' as const) : ('linear' as const),
      down: A.values,
      up: B.values,
      rank,
      scale: scaleOf(config, module, rank),
      file: A.file,
    };
  });
  const [lost] = magnitudes.keys();
  if (lost !== undefined) {
    const problem = `module "${lost}" has a magnitude vector and no LoRA pair`;
    throw new ScanError('E_TENSOR_MISSING', problem, { file: config.file });
  }
  const without = pairs.find(({ magnitude }) => magnitude === undefined);
  if (config.flag(['use_dora'], false) && without !== undefined) {
    const problem = `DoRA module "${without.module}" has no magnitude vector`;
    throw new ScanError('E_TENSOR_MISSING', problem, { file: config.file });
  }
  return { pairs, replacements };
}

function magnitudeOf(
  tensor: StoredTensor | undefined,
  module: string,
  outputs: number,
): TensorValues | undefined {
  if (tensor === undefined) return undefined;
  if (tensor.values !== undefined && elementCount(tensor.shape) === outputs) return tensor.values;
  const problem = `the magnitude vector of "${module}" is [${tensor.shape}], its outputs are ${outputs}`;
  throw new ScanError('E_TENSOR_SHAPE', problem, { file: tensor.file });
}

function baseName(name: string): string {
  return name.replace(/^base_model\.model\./, '').replace(/\.modules_to_save(\.[^.]+)?(?=\.)/, '');
}

/** alpha / rank, or alpha / sqrt(rank) for rsLoRA; patterns give single modules their own alpha. */
function scaleOf(config: ModelConfig, module: string, rank: number): number {
  const alpha = ownAlpha(config.raw('alpha_pattern'), module) ?? config.number(['lora_alpha'], 8);
  return alpha / (config.flag(['use_rslora'], false) ? Math.sqrt(rank) : rank);
}

function ownAlpha(patterns: unknown, module: string): number | undefined {
  if (typeof patterns !== 'object' || patterns === null) return undefined;
  for (const [key, alpha] of Object.entries(patterns)) {
    const matches = module === key || module.endsWith(`.${key}`);
    if (matches && typeof alpha === 'number' && Number.isFinite(alpha)) return alpha;
  }
  return undefined;
}
