/**
 * SAELens folders: cfg.json and sae_weights.safetensors, layouts of 6.x and before. BatchTopK and Matryoshka
 * dictionaries are saved there as `jumprelu`. Source: sae_lens/saes/*.py and loading/.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ScanError } from '../../errors.ts';
import { type ModelConfig, readConfig } from '../../model/config.ts';
import { siteOfLensName } from '../../model/site-names.ts';
import type { Dictionary, Gate, InputNorm } from '../dictionary.ts';
import { decoderNorms } from '../dictionary.ts';
import type { SaeFormat } from './format.ts';
import { withTensors } from './open-tensors.ts';
import { siteOfModule } from './sites.ts';
import type { TensorBag } from './tensors.ts';

const MAX_WIDTH = 2 ** 17;
const MAX_FEATURES = 2 ** 24;

export const saeLens: SaeFormat = {
  name: 'saelens',
  matches: (file) =>
    basename(file) === 'sae_weights.safetensors' && existsSync(join(dirname(file), 'cfg.json')),
  load: (file) => {
    const config = readConfig(join(dirname(file), 'cfg.json'));
    return withTensors(file, (bag) => read(config, bag));
  },
};

function read(config: ModelConfig, bag: TensorBag): Dictionary {
  const architecture = architectureOf(config);
  const base = architecture.replace(/^skip_|_?(skip_)?transcoder$/g, '') || 'standard';
  const isTranscoder = architecture.endsWith('transcoder');
  const featureCount = config.count(['d_sae'], undefined, MAX_FEATURES);
  const inputWidth = config.count(['d_in'], undefined, MAX_WIDTH);
  const outputWidth = isTranscoder ? config.count(['d_out'], inputWidth, MAX_WIDTH) : inputWidth;
  const subtractDecoderBias = !isTranscoder && config.flag(['apply_b_dec_to_input'], true);
  if (
    bag.has('scaling_factor') &&
    bag.vector('scaling_factor', featureCount).some((s) => s !== 1)
  ) {
    throw bag.fail('scaling factors other than 1 are not covered');
  }
  const gate = gateOf(base, config, bag, featureCount);
  const encoder = bag.matrix('W_enc', inputWidth, featureCount, 'in-out');
  const decoder = bag.matrix('W_dec', featureCount, outputWidth, 'in-out');
  const rescales =
    (gate.kind === 'topk' || gate.kind === 'abs-topk') &&
    config.flag(['rescale_acts_by_decoder_norm'], false);
  const metadata = config.child('metadata') ?? config;
  const hook = metadata.string(['hook_name', 'hook_point'], '');
  const headIndex = metadata.raw('hook_head_index') ?? metadata.raw('hook_point_head_index');
  const site = isPlainSite(headIndex, metadata.raw('seqpos_slice'))
    ? siteOf(metadata, hook)
    : undefined;
  const outHook = metadata.string(['hook_name_out'], '');
  const outputSite = isTranscoder ? siteOfLensName(outHook) : undefined;
  return {
    role: isTranscoder ? 'transcoder' : 'autoencoder',
    inputWidth,
    outputWidth,
    featureCount,
    encoder,
    encoderBias: bag.has('b_enc')
      ? bag.vector('b_enc', featureCount)
      : new Float32Array(featureCount),
    decoder,
    decoderBias: bag.vector('b_dec', outputWidth),
    subtractDecoderBias,
    gate,
    ...(rescales && { gateScale: decoderNorms(decoder) }),
    inputNorm: normOf(config, bag),
    ...(bag.has('W_skip') && { skip: bag.matrix('W_skip', inputWidth, outputWidth, 'out-in') }),
    ...(site !== undefined && { site }),
    ...(outputSite !== undefined && { outputSite }),
    origin: {
      format: 'saelens',
      architecture: trainedAs(metadata) ?? architecture,
      siteText: outHook === '' ? hook : `${hook} to ${outHook}`,
      file: bag.file,
      ...(gate.kind === 'topk' && { statedL0: gate.k }),
    },
  };
}

function architectureOf(config: ModelConfig): string {
  const named = config.raw('architecture');
  if (typeof named === 'string') return named;
  // Before 4.0 the activation function alone told a TopK dictionary from a plain one.
  return config.string(['activation_fn_str', 'activation_fn'], 'relu') === 'topk'
    ? 'topk'
    : 'standard';
}

function gateOf(base: string, config: ModelConfig, bag: TensorBag, featureCount: number): Gate {
  switch (base) {
    case 'standard': {
      const activation = config.string(['activation_fn_str', 'activation_fn'], 'relu');
      if (activation === 'topk') return { kind: 'topk', k: topK(config, featureCount) };
      if (activation !== 'relu') throw bag.fail(`activation "${activation}" is not covered`);
      return { kind: 'relu' };
    }
    case 'topk':
      return { kind: 'topk', k: topK(config, featureCount) };
    case 'abstopk':
      return { kind: 'abs-topk', k: topK(config, featureCount) };
    case 'jumprelu':
      if (bag.has('log_threshold')) {
        const threshold = bag.vector('log_threshold', featureCount).map(Math.exp);
        return { kind: 'jumprelu', threshold };
      }
      return { kind: 'jumprelu', threshold: bag.scalarOrVector('threshold', featureCount) };
    case 'gated':
      return {
        kind: 'gated',
        gateBias: bag.vector('b_gate', featureCount),
        magnitudeScale: bag.vector('r_mag', featureCount).map(Math.exp),
        magnitudeBias: bag.vector('b_mag', featureCount),
      };
    default:
      throw new ScanError('E_SAE', `architecture "${base}" is not covered`, {
        file: bag.file,
        hint: 'Only dictionaries that encode token by token are read.',
      });
  }
}

function topK(config: ModelConfig, featureCount: number): number {
  return (config.child('activation_fn_kwargs') ?? config).count(['k'], undefined, featureCount);
}

function normOf(config: ModelConfig, bag: TensorBag): InputNorm {
  const named = config.raw('normalize_activations');
  switch (named) {
    case undefined:
    case null:
    case false:
    case true:
    case 'none':
    // Folded into the weights when SAELens saves; nothing is left to do at run time.
    case 'expected_average_only_in':
    case 'covariance_whitening':
      return { kind: 'none' };
    case 'constant_norm_rescale':
      return { kind: 'unit-norm' };
    case 'layer_norm':
      return { kind: 'layer-norm' };
    default:
      throw bag.fail(`normalize_activations ${JSON.stringify(named)} is not covered`);
  }
}

/** One head, or positions counted apart, is not a site of ours. */
function isPlainSite(headIndex: unknown, slice: unknown): boolean {
  const wholeSequence = !Array.isArray(slice) || slice.every((part) => part === null);
  return (headIndex === undefined || headIndex === null) && wholeSequence;
}

/** SAELens gives Gemma Scope 2 transcoders a hook name that is not where they read; the module path is. */
function siteOf(metadata: ModelConfig, hook: string): Dictionary['site'] {
  const module = metadata.string(['hf_hook_name'], '');
  return module === '' ? siteOfLensName(hook) : siteOfModule(module);
}

function trainedAs(metadata: ModelConfig): string | undefined {
  const named = metadata.raw('training_architecture');
  return typeof named === 'string' ? named : undefined;
}
