/**
 * Per-layer transcoders of circuit-tracer: `layer_<i>.safetensors`, W_enc [features, in]; config.yaml beside them
 * names the sites. Cross-layer transcoders are recognised and refused. Source: circuit_tracer/transcoder.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { ScanError } from '../../errors.ts';
import { siteOfLensName } from '../../model/site-names.ts';
import { buildDictionary, thresholdGate } from './build.ts';
import type { SaeFormat } from './format.ts';
import { withTensors } from './open-tensors.ts';

const MAX_YAML_BYTES = 1024 * 1024;

export const perLayerTranscoder: SaeFormat = {
  name: 'circuit-tracer',
  matches: (file) => /^layer_\d{1,4}\.safetensors$/.test(basename(file)),
  load: (file) => {
    const layer = Number(/\d+/.exec(basename(file))?.[0]);
    const hooks = readHooks(join(dirname(file), 'config.yaml'));
    const site = siteOfLensName(`blocks.${layer}.${hooks.input}`);
    const outputSite = siteOfLensName(`blocks.${layer}.${hooks.output}`);
    return withTensors(file, (bag) =>
      buildDictionary(bag, {
        names: {
          encoder: 'W_enc',
          encoderBias: 'b_enc',
          decoder: 'W_dec',
          decoderBias: 'b_dec',
          skip: 'W_skip',
        },
        encoderWhenSquare: 'out-in',
        decoderWhenSquare: 'in-out',
        role: 'transcoder',
        subtractDecoderBias: false,
        gate: thresholdGate(bag, 'activation_function.threshold'),
        ...(site !== undefined && { site }),
        ...(outputSite !== undefined && { outputSite }),
        origin: {
          format: 'circuit-tracer',
          architecture: 'transcoder',
          siteText: `blocks.${layer}: ${hooks.input} to ${hooks.output}`,
        },
      }),
    );
  },
};

export const crossLayerTranscoder: SaeFormat = {
  name: 'cross-layer-transcoder',
  matches: (file) => /^W_(enc|dec)_\d{1,4}\.safetensors$/.test(basename(file)),
  load: (file) => {
    throw new ScanError('E_SAE', 'cross-layer transcoders are not covered', { file });
  },
};

function readHooks(file: string): { readonly input: string; readonly output: string } {
  const fallback = { input: 'mlp.hook_in', output: 'hook_mlp_out' };
  if (!existsSync(file)) return fallback;
  if (statSync(file).size > MAX_YAML_BYTES) {
    throw new ScanError('E_LIMIT', `larger than ${MAX_YAML_BYTES} bytes`, { file });
  }
  let parsed: unknown;
  try {
    parsed = parse(readFileSync(file, 'utf8'), { maxAliasCount: 0 });
  } catch (cause) {
    throw new ScanError('E_FORMAT', 'not YAML', { file, cause });
  }
  const text = (key: string, otherwise: string): string => {
    const value = (parsed as Record<string, unknown> | null)?.[key];
    return typeof value === 'string' ? value : otherwise;
  };
  return {
    input: text('feature_input_hook', fallback.input),
    output: text('feature_output_hook', fallback.output),
  };
}
