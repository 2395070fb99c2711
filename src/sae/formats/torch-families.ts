/**
 * Families that are torch files and differ in their tensor names: dictionary_learning (ae.pt), OpenAI, Goodfire,
 * Qwen-Scope, qresearch. Only numbers are taken from the pickle; nothing in it is called.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type ModelConfig, readConfig } from '../../model/config.ts';
import type { Site } from '../../model/graphs/activations.ts';
import type { Dictionary, Gate } from '../dictionary.ts';
import { buildDictionary, type TensorNames, thresholdGate, topKGate } from './build.ts';
import type { SaeFormat } from './format.ts';
import { withTensors } from './open-tensors.ts';
import { siteOfModule } from './sites.ts';
import type { TensorBag } from './tensors.ts';

const LINEAR_PAIR: TensorNames = {
  encoder: 'encoder.weight',
  encoderBias: 'encoder.bias',
  decoder: 'decoder.weight',
  decoderBias: 'decoder.bias',
};
const TORCH = { encoderWhenSquare: 'out-in', decoderWhenSquare: 'out-in' } as const;
const MATRICES: TensorNames = {
  encoder: 'W_enc',
  encoderBias: 'b_enc',
  decoder: 'W_dec',
  decoderBias: 'b_dec',
};

export const dictionaryLearning: SaeFormat = {
  name: 'dictionary-learning',
  matches: (file) => /^ae(_\d+)?\.pt$/.test(basename(file)) && trainerConfigOf(file) !== undefined,
  load: (file) => {
    const config = trainerConfigOf(file);
    const trainer = config?.child('trainer');
    return withTensors(file, (bag) => readDictionaryLearning(bag, trainer));
  },
};

/** config.json beside ae.pt, or above checkpoints/. */
function trainerConfigOf(file: string): ModelConfig | undefined {
  const folder = dirname(file);
  const path = [folder, dirname(folder)].map((f) => join(f, 'config.json')).find(existsSync);
  return path === undefined ? undefined : readConfig(path);
}

/** @param trainer the `trainer` object of config.json */
export function readDictionaryLearning(
  bag: TensorBag,
  trainer: ModelConfig | undefined,
): Dictionary {
  const className = trainer?.string(['dict_class'], '') ?? '';
  const layer = trainer?.raw('layer');
  const module = trainer?.string(['submodule_name'], '') ?? '';
  const site = siteOfTrainer(layer, module);
  const common = {
    ...(site !== undefined && { site }),
    origin: {
      format: 'dictionary-learning',
      architecture: className,
      siteText: module === '' ? `layer ${String(layer)}` : module,
    },
  };
  const withBias = { ...LINEAR_PAIR, decoderBias: 'bias' };
  const withPlainBias = { ...LINEAR_PAIR, decoderBias: 'b_dec' };
  switch (className) {
    case 'AutoEncoder':
      return buildDictionary(bag, {
        ...TORCH,
        ...common,
        names: withBias,
        subtractDecoderBias: true,
        gate: () => ({ kind: 'relu' }),
      });
    case 'AutoEncoderNew':
      return buildDictionary(bag, {
        ...TORCH,
        ...common,
        names: LINEAR_PAIR,
        subtractDecoderBias: false,
        gate: () => ({ kind: 'relu' }),
      });
    case 'GatedAutoEncoder':
      return {
        ...buildDictionary(bag, {
          ...TORCH,
          ...common,
          names: { ...LINEAR_PAIR, encoderBias: 'gate_bias', decoderBias: 'decoder_bias' },
          subtractDecoderBias: true,
          gate: (featureCount): Gate => ({
            kind: 'gated',
            gateBias: bag.vector('gate_bias', featureCount),
            magnitudeScale: bag.vector('r_mag', featureCount).map(Math.exp),
            magnitudeBias: bag.vector('mag_bias', featureCount),
          }),
        }),
      };
    case 'JumpReluAutoEncoder':
      return buildDictionary(bag, {
        ...common,
        encoderWhenSquare: 'in-out',
        decoderWhenSquare: 'in-out',
        names: MATRICES,
        subtractDecoderBias: false,
        gate: thresholdGate(bag, 'threshold'),
      });
    case 'AutoEncoderTopK':
      return buildDictionary(bag, {
        ...TORCH,
        ...common,
        names: withPlainBias,
        subtractDecoderBias: true,
        gate: topKGate(bag, trainer?.count(['k'], undefined, 2 ** 24) ?? 0),
      });
    case 'BatchTopKSAE':
      return buildDictionary(bag, {
        ...TORCH,
        ...common,
        names: withPlainBias,
        subtractDecoderBias: true,
        gate: trainedThreshold(bag),
      });
    case 'MatryoshkaBatchTopKSAE':
      return buildDictionary(bag, {
        ...common,
        encoderWhenSquare: 'in-out',
        decoderWhenSquare: 'in-out',
        names: MATRICES,
        subtractDecoderBias: true,
        gate: trainedThreshold(bag),
      });
    default:
      throw bag.fail(`dict_class ${JSON.stringify(className)} is not covered`);
  }
}

/** -1 stands for a threshold that was never trained: plain relu. */
function trainedThreshold(bag: TensorBag): (featureCount: number) => Gate {
  return (featureCount) =>
    bag.scalar('threshold') < 0
      ? { kind: 'relu' }
      : { kind: 'jumprelu', threshold: bag.scalarOrVector('threshold', featureCount) };
}

function siteOfTrainer(layer: unknown, module: string): Site | undefined {
  if (module !== '') return siteOfModule(module);
  return typeof layer === 'number' && Number.isInteger(layer) && layer >= 0
    ? { kind: 'resid_post', layer }
    : undefined;
}

/** Torch files whose tensor names tell the family. */
export const namedTensors: SaeFormat = {
  name: 'torch',
  matches: (file) => /\.(pt|pth)$/.test(file),
  load: (file) => withTensors(file, (bag) => readNamedTensors(bag)),
};

export function readNamedTensors(bag: TensorBag): Dictionary {
  const layer = layerOf(bag.file);
  const stream: Site | undefined = layer === undefined ? undefined : { kind: 'resid_post', layer };
  const origin = (format: string, architecture: string) => ({
    ...(stream !== undefined && { site: stream }),
    origin: { format, architecture, siteText: basename(bag.file) },
  });
  if (bag.has('pre_bias') && bag.has('latent_bias')) return readOpenAi(bag);
  if (bag.has('encoder_linear.weight')) {
    return buildDictionary(bag, {
      ...TORCH,
      ...origin('goodfire', 'relu'),
      names: {
        encoder: 'encoder_linear.weight',
        encoderBias: 'encoder_linear.bias',
        decoder: 'decoder_linear.weight',
        decoderBias: 'decoder_linear.bias',
      },
      subtractDecoderBias: false,
      gate: () => ({ kind: 'relu' }),
    });
  }
  if (bag.has('W_enc') && /\.sae\.pt$/.test(bag.file)) {
    const k = Number(/L0_(\d+)/.exec(bag.file)?.[1]);
    return buildDictionary(bag, {
      ...TORCH,
      ...origin('qwen-scope', 'topk'),
      names: MATRICES,
      subtractDecoderBias: false,
      gate: topKGate(bag, k),
    });
  }
  if (bag.has('encoder.weight') && bag.has('decoder.bias')) {
    return buildDictionary(bag, {
      ...TORCH,
      ...origin('qresearch', 'relu'),
      names: LINEAR_PAIR,
      subtractDecoderBias: false,
      gate: () => ({ kind: 'relu' }),
    });
  }
  throw bag.fail(`no known dictionary has tensors ${bag.names.slice(0, 6).join(', ')}`);
}

const OPENAI_SITES: Readonly<Record<string, Site['kind']>> = {
  resid_delta_attn: 'attn_out',
  resid_delta_mlp: 'mlp_out',
  resid_post_attn: 'resid_mid',
  resid_post_mlp: 'resid_post',
};

/** GPT-2 small; the release's folder says site, version and k: v5 is TopK 32 on layer-normed input, v1 and v4 relu. */
function readOpenAi(bag: TensorBag): Dictionary {
  const match = /(mlp_post_act|resid_\w+?)_v(\d)(?:_\w+)?[\\/]autoencoders[\\/](\d+)\.pt$/.exec(
    bag.file,
  );
  const layer = Number(match?.[3]);
  const kind = OPENAI_SITES[match?.[1] ?? ''];
  const isTopK = match?.[2] === '5';
  if (match === null) {
    throw bag.fail('the path does not say which OpenAI release this is');
  }
  return buildDictionary(bag, {
    ...TORCH,
    names: {
      encoder: 'encoder.weight',
      encoderBias: 'latent_bias',
      decoder: 'decoder.weight',
      decoderBias: 'pre_bias',
    },
    subtractDecoderBias: true,
    gate: isTopK ? topKGate(bag, 32) : () => ({ kind: 'relu' }),
    inputNorm: { kind: isTopK ? 'layer-norm' : 'none' },
    ...(kind !== undefined && { site: { kind, layer } }),
    origin: {
      format: 'openai',
      architecture: isTopK ? 'topk' : 'relu',
      siteText: match[1] ?? '',
    },
  });
}

function layerOf(file: string): number | undefined {
  const match = /(?:layer|-l|_l)[_-]?(\d{1,3})(?=\D|$)/i.exec(basename(file));
  return match === null ? undefined : Number(match[1]);
}
