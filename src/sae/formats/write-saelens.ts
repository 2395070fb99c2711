/** Writes a dictionary as a SAELens 6 folder, so that any tool that reads those can open it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TensorToWrite, writeSafetensors } from '../../artifact/safetensors-writer.ts';
import { ScanError } from '../../errors.ts';
import { type Dictionary, type Matrix, matrixValues } from '../dictionary.ts';

export interface SaeLensMetadata {
  readonly modelName: string;
  readonly prependBos: boolean;
  readonly contextSize: number;
}

const NORMS = {
  none: 'none',
  'unit-norm': 'constant_norm_rescale',
  'layer-norm': 'layer_norm',
} as const;

/** @throws ScanError `E_SAE` for a dictionary that the layout cannot hold */
export function saveSaeLens(
  dictionary: Dictionary,
  folder: string,
  metadata: SaeLensMetadata,
): void {
  const { inputWidth, featureCount, gate, inputNorm, site, origin } = dictionary;
  if (dictionary.role === 'transcoder') {
    throw new ScanError('E_SAE', 'transcoders are read but not written');
  }
  if (inputNorm.kind === 'scale') throw new ScanError('E_SAE', 'fold the input scale first');
  const tensors: TensorToWrite[] = [
    { name: 'W_enc', shape: [inputWidth, featureCount], data: storedInOut(dictionary.encoder) },
    { name: 'W_dec', shape: [featureCount, inputWidth], data: storedInOut(dictionary.decoder) },
    { name: 'b_dec', shape: [inputWidth], data: dictionary.decoderBias },
  ];
  const perFeature = (name: string, data: Float32Array) => {
    tensors.push({ name, shape: [featureCount], data });
  };
  if (gate.kind === 'gated') {
    perFeature('b_gate', gate.gateBias);
    perFeature('b_mag', gate.magnitudeBias);
    perFeature('r_mag', gate.magnitudeScale.map(Math.log));
  } else perFeature('b_enc', dictionary.encoderBias);
  if (gate.kind === 'jumprelu') perFeature('threshold', gate.threshold);
  const config = {
    ...architecture(dictionary),
    d_in: inputWidth,
    d_sae: featureCount,
    dtype: 'float32',
    device: 'cpu',
    apply_b_dec_to_input: dictionary.subtractDecoderBias,
    normalize_activations: NORMS[inputNorm.kind],
    reshape_activations: 'none',
    metadata: {
      sae_lens_version: '6.0.0',
      model_name: metadata.modelName,
      hook_name: site === undefined ? origin.siteText : hookName(site.kind, site.layer),
      hook_head_index: null,
      prepend_bos: metadata.prependBos,
      context_size: metadata.contextSize,
      training_architecture: origin.architecture,
    },
  };
  try {
    mkdirSync(folder, { recursive: true });
    writeSafetensors(join(folder, 'sae_weights.safetensors'), tensors);
    writeFileSync(join(folder, 'cfg.json'), `${JSON.stringify(config, null, 2)}\n`);
  } catch (cause) {
    throw new ScanError('E_OUTPUT', `the dictionary could not be written: ${String(cause)}`, {
      file: folder,
      cause,
    });
  }
}

function architecture({ gate, gateScale }: Dictionary): Record<string, unknown> {
  switch (gate.kind) {
    case 'relu':
      return { architecture: 'standard' };
    case 'jumprelu':
      if (gateScale !== undefined) break;
      return { architecture: 'jumprelu' };
    case 'gated':
      return { architecture: 'gated' };
    case 'topk':
    case 'abs-topk':
      return {
        architecture: gate.kind === 'topk' ? 'topk' : 'abstopk',
        k: gate.k,
        rescale_acts_by_decoder_norm: gateScale !== undefined,
      };
  }
  throw new ScanError('E_SAE', `SAELens has no form for a ${gate.kind} gate of this kind`);
}

function hookName(kind: string, layer: number): string {
  return `blocks.${layer}.${kind === 'attn_z' ? 'attn.hook_z' : `hook_${kind}`}`;
}

function storedInOut(matrix: Matrix): Float32Array {
  const values = matrixValues(matrix);
  if (matrix.layout === 'in-out') return values;
  const [rows, columns] = matrix.shape;
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = values[row * columns + column] as number;
    }
  }
  return turned;
}
