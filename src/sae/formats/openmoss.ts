/**
 * OpenMOSS: Llama Scope 1 (hyperparams.json, checkpoints/final.safetensors), R1-Distill and current files
 * (config.json, sae_weights.safetensors). The decoder bias is never subtracted. Source: llamascopium.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type ModelConfig, readConfig } from '../../model/config.ts';
import { siteOfLensName } from '../../model/site-names.ts';
import { type Dictionary, decoderNorms, type Gate, type InputNorm } from '../dictionary.ts';
import { buildDictionary } from './build.ts';
import type { SaeFormat } from './format.ts';
import { withTensors } from './open-tensors.ts';
import type { TensorBag } from './tensors.ts';

export const llamaScope1: SaeFormat = {
  name: 'llama-scope-1',
  matches: (file) => basename(file) === 'final.safetensors' && existsSync(hyperparameters(file)),
  load: (file) => {
    const config = readConfig(hyperparameters(file));
    const theta = config.number(['jump_relu_threshold'], 0);
    return withTensors(file, (bag) =>
      buildDictionary(bag, {
        names: {
          encoder: 'encoder.weight',
          encoderBias: 'encoder.bias',
          decoder: 'decoder.weight',
          decoderBias: 'decoder.bias',
        },
        encoderWhenSquare: 'out-in',
        decoderWhenSquare: 'out-in',
        subtractDecoderBias: false,
        // The gate compares in the scaled space, where the threshold was trained.
        gate: (featureCount) => ({
          kind: 'jumprelu',
          threshold: new Float32Array(featureCount).fill(theta),
        }),
        inputNorm: datasetScale(config, bag.vectorLength('decoder.bias')),
        ...hookSites(config),
        origin: {
          format: 'llama-scope-1',
          architecture: 'jumprelu',
          siteText: config.string(['hook_point_in'], ''),
        },
      }),
    );
  },
};

function hyperparameters(file: string): string {
  return join(dirname(dirname(file)), 'hyperparams.json');
}

/** s = sqrt(d) / mean norm of the training data, for the input and for the output. */
function datasetScale(config: ModelConfig, width: number): InputNorm {
  const norms = config.child('dataset_average_activation_norm');
  if (norms === undefined) return { kind: 'none' };
  const input = norms.number(['in']);
  const output = norms.number(['out'], input);
  if (input <= 0 || output <= 0) throw config.fail('an average norm is not positive');
  const root = Math.sqrt(width);
  return { kind: 'scale', factor: root / input, outputFactor: root / output };
}

export const openMoss: SaeFormat = {
  name: 'openmoss',
  matches: (file) => {
    const config = join(dirname(file), 'config.json');
    return (
      basename(file) === 'sae_weights.safetensors' &&
      !existsSync(join(dirname(file), 'cfg.json')) &&
      existsSync(config)
    );
  },
  load: (file) => {
    const config = readConfig(join(dirname(file), 'config.json'));
    const type = config.string(['sae_type'], 'sae');
    if (type !== 'sae') throw config.fail(`sae_type ${JSON.stringify(type)} is not covered`);
    if (config.flag(['use_glu_encoder'], false)) {
      throw config.fail('a gated linear encoder is not covered');
    }
    return withTensors(file, (bag) => readCurrent(config, bag));
  },
};

function readCurrent(config: ModelConfig, bag: TensorBag): Dictionary {
  if (!bag.has('b_D')) throw bag.fail('a dictionary without decoder bias is not covered');
  const activation = config.string(['act_fn'], 'relu');
  const hook = config.string(['hook_point_in'], '');
  const dictionary = buildDictionary(bag, {
    names: { encoder: 'W_E', encoderBias: 'b_E', decoder: 'W_D', decoderBias: 'b_D' },
    encoderWhenSquare: 'in-out',
    decoderWhenSquare: 'in-out',
    subtractDecoderBias: false,
    gate: (featureCount) => gateOf(activation, config, bag, featureCount),
    inputNorm: normOf(config, bag, hook),
    ...hookSites(config),
    origin: { format: 'openmoss', architecture: activation, siteText: hook },
  });
  return config.flag(['sparsity_include_decoder_norm'], true)
    ? { ...dictionary, gateScale: decoderNorms(dictionary.decoder) }
    : dictionary;
}

function gateOf(
  activation: string,
  config: ModelConfig,
  bag: TensorBag,
  featureCount: number,
): Gate {
  const logs = ['log_jumprelu_threshold', 'activation_function.log_jumprelu_threshold'].find(
    (name) => bag.has(name),
  );
  if (logs !== undefined) {
    return {
      kind: 'jumprelu',
      threshold: bag.scalarOrVector(logs, featureCount).map(Math.exp),
    };
  }
  if (activation === 'relu') return { kind: 'relu' };
  if (activation === 'topk') {
    return { kind: 'topk', k: config.count(['top_k'], undefined, featureCount) };
  }
  throw bag.fail(`act_fn ${JSON.stringify(activation)} without thresholds is not covered`);
}

function normOf(config: ModelConfig, bag: TensorBag, hook: string): InputNorm {
  const kind = config.string(['norm_activation'], 'inference');
  const width = bag.vectorLength('b_D');
  switch (kind) {
    case 'inference':
      return { kind: 'none' };
    case 'token-wise':
      return { kind: 'unit-norm' };
    case 'dataset-wise': {
      const output = config.string(['hook_point_out'], hook);
      const norm = (name: string) => bag.scalar(`dataset_average_activation_norm.${name}`);
      const root = Math.sqrt(width);
      return { kind: 'scale', factor: root / norm(hook), outputFactor: root / norm(output) };
    }
    default:
      throw bag.fail(`norm_activation ${JSON.stringify(kind)} is not covered`);
  }
}

function hookSites(config: ModelConfig): Pick<Dictionary, 'role' | 'site' | 'outputSite'> {
  const input = config.string(['hook_point_in'], '');
  const output = config.string(['hook_point_out'], input);
  const site = siteOfLensName(input);
  const outputSite = input === output ? undefined : siteOfLensName(output);
  return {
    role: input === output ? 'autoencoder' : 'transcoder',
    ...(site !== undefined && { site }),
    ...(outputSite !== undefined && { outputSite }),
  };
}
