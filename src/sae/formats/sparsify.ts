/**
 * EleutherAI sparsify: a folder per hookpoint with cfg.json and sae.safetensors. The hookpoint is a module path; it
 * means the module's output (its input for a transcoder). Source: sparsify/sparse_coder.py.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readConfig } from '../../model/config.ts';
import type { Gate } from '../dictionary.ts';
import { buildDictionary } from './build.ts';
import type { SaeFormat } from './format.ts';
import { withTensors } from './open-tensors.ts';
import { siteOfModule } from './sites.ts';

export const sparsify: SaeFormat = {
  name: 'sparsify',
  matches: (file) =>
    basename(file) === 'sae.safetensors' && existsSync(join(dirname(file), 'cfg.json')),
  load: (file) => {
    const config = readConfig(join(dirname(file), 'cfg.json'));
    const hookpoint = basename(dirname(file));
    const transcodes = config.flag(['transcode'], false);
    if (config.flag(['signed'], false)) {
      throw config.fail('signed dictionaries of old sparsify versions are not covered');
    }
    const activation = config.string(['activation'], 'topk');
    if (activation !== 'topk' && activation !== 'groupmax') {
      throw config.fail(`activation ${JSON.stringify(activation)} is not covered`);
    }
    const module = siteOfModule(hookpoint);
    const site = transcodes ? siteOfModule(`${hookpoint}.input`) : module;
    return withTensors(file, (bag) =>
      buildDictionary(bag, {
        names: {
          encoder: 'encoder.weight',
          encoderBias: 'encoder.bias',
          decoder: 'W_dec',
          decoderBias: 'b_dec',
          skip: 'W_skip',
        },
        encoderWhenSquare: 'out-in',
        decoderWhenSquare: 'in-out',
        ...(transcodes && { role: 'transcoder' }),
        subtractDecoderBias: !transcodes,
        gate: (featureCount): Gate => {
          const k = config.count(['k'], 32, featureCount);
          if (activation === 'groupmax' && featureCount % k !== 0) {
            throw bag.fail(`${featureCount} features do not split into ${k} groups`);
          }
          return { kind: activation, k };
        },
        ...(site !== undefined && { site }),
        ...(transcodes && module !== undefined && { outputSite: module }),
        origin: { format: 'sparsify', architecture: activation, siteText: hookpoint },
      }),
    );
  },
};
