/**
 * Gemma Scope 1 (params.npz, Gemma 2) and 2 (params.safetensors with lower-case names, Gemma 3). JumpReLU, the decoder
 * bias is never subtracted, norms are folded in. Gemma Scope 1 keeps model, site and width in the path alone.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readConfig } from '../../model/config.ts';
import type { SiteKind } from '../../model/emit/forward.ts';
import type { Site } from '../../model/graphs/activations.ts';
import type { Dictionary } from '../dictionary.ts';
import { buildDictionary, thresholdGate } from './build.ts';
import type { SaeFormat } from './format.ts';
import { withTensors } from './open-tensors.ts';
import { siteOfModule } from './sites.ts';

export const gemmaScope1: SaeFormat = {
  name: 'gemma-scope-1',
  matches: (file) => basename(file) === 'params.npz',
  load: (file) => {
    const site = siteOfPath(file);
    const stated = Number(/average_l0_(\d+)/.exec(file)?.[1]);
    return withTensors(file, (bag) =>
      buildDictionary(bag, {
        names: { encoder: 'W_enc', encoderBias: 'b_enc', decoder: 'W_dec', decoderBias: 'b_dec' },
        encoderWhenSquare: 'in-out',
        decoderWhenSquare: 'in-out',
        subtractDecoderBias: false,
        gate: thresholdGate(bag, 'threshold'),
        ...(site !== undefined && { site }),
        origin: {
          format: 'gemma-scope-1',
          architecture: 'jumprelu',
          siteText: file.split(/[\\/]/).slice(-5, -1).join('/'),
          ...(Number.isFinite(stated) && { statedL0: stated }),
        },
      }),
    );
  },
};

/** The repository's name says which stream (`gemma-scope-2b-pt-res`), the folder which layer. */
function siteOfPath(file: string): Site | undefined {
  const layer = Number(/layer_(\d{1,4})/.exec(file)?.[1]);
  const stream = /gemma-scope-[^/\\]*-(res|mlp|att)(?:-[^/\\]*)?[/\\]/.exec(file)?.[1];
  const kinds: Readonly<Record<string, SiteKind>> = {
    res: 'resid_post',
    mlp: 'mlp_out',
    att: 'attn_z',
  };
  const kind = kinds[stream ?? ''];
  return kind === undefined || !Number.isInteger(layer) ? undefined : { kind, layer };
}

export const gemmaScope2: SaeFormat = {
  name: 'gemma-scope-2',
  matches: (file) => basename(file) === 'params.safetensors',
  load: (file) => {
    const { role, site, outputSite, siteText } = sitesOfConfig(file);
    const label = /_l0_(small|medium|big)/.exec(file)?.[1];
    const stated = { small: 15, medium: 45, big: 120 }[label ?? ''];
    return withTensors(file, (bag) =>
      buildDictionary(bag, {
        names: {
          encoder: 'w_enc',
          encoderBias: 'b_enc',
          decoder: 'w_dec',
          decoderBias: 'b_dec',
          skip: 'affine_skip_connection',
        },
        encoderWhenSquare: 'in-out',
        decoderWhenSquare: 'in-out',
        skipWhenSquare: 'in-out',
        role,
        subtractDecoderBias: false,
        gate: thresholdGate(bag, 'threshold'),
        ...(site !== undefined && { site }),
        ...(outputSite !== undefined && { outputSite }),
        origin: {
          format: 'gemma-scope-2',
          architecture: 'jumprelu',
          siteText,
          ...(stated !== undefined && { statedL0: stated }),
        },
      }),
    );
  },
};

/** config.json names Hugging Face modules; some folders have none, then the path says. */
function sitesOfConfig(
  file: string,
): Pick<Dictionary, 'role' | 'site' | 'outputSite'> & { readonly siteText: string } {
  const path = join(dirname(file), 'config.json');
  const folder = file.split(/[\\/]/).slice(-3, -1).join('/');
  if (!existsSync(path)) {
    const role = /transcoder/.test(folder) ? 'transcoder' : 'autoencoder';
    return { role, siteText: folder };
  }
  const config = readConfig(path);
  const input = config.string(['hf_hook_point_in'], '');
  const output = config.string(['hf_hook_point_out'], input);
  const site = siteOfModule(input);
  const outputSite = input === output ? undefined : siteOfModule(output);
  return {
    role: input === output ? 'autoencoder' : 'transcoder',
    siteText: input === output ? input : `${input} to ${output}`,
    ...(site !== undefined && { site }),
    ...(outputSite !== undefined && { outputSite }),
  };
}
