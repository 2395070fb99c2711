/** Which tensors hold tokens, which read the residual stream and which write to it. */
import type { ModelConfig } from '../../model/config.ts';
import { describeModel } from '../../model/families/registry.ts';
import type { DenseMlpSpec, LinearSpec, MlpSpec, ModelSpec } from '../../model/spec.ts';
import type { StoredWeights } from '../../model/weights/stored.ts';
import { WeightSet } from '../../model/weights.ts';

export interface LayerMatrix {
  readonly layer: number;
  readonly name: string;
  readonly layout: 'out-in' | 'in-out';
}

export interface WeightRoles {
  /** [vocabulary, width] */
  readonly embedding?: string;
  /** [vocabulary, width]; absent when tied to the embedding or unknown. */
  readonly head?: string;
  readonly layers: number;
  readonly readers: readonly LayerMatrix[];
  readonly writers: readonly LayerMatrix[];
}

const EMBEDDING =
  /(^|\.)(embed_tokens|wte|embed_in|word_embeddings|tok_embeddings|token_embd)\.weight$/;
const HEAD = /(^|\.)(lm_head|embed_out)\.weight$/;

/** From the family's description where the architecture is known, else from names that families share. */
export function rolesOf(weights: StoredWeights, config: ModelConfig | undefined): WeightRoles {
  if (config !== undefined) {
    try {
      return rolesOfSpec(describeModel(config, placesOnly(weights)));
    } catch {
      // An unknown or contradictory model still has tensors worth reading; the model stage reports the error.
    }
  }
  return rolesByName(weights);
}

/** Descriptions ask for names and shapes only, so computed tensors get a place that is never read. */
function placesOnly(weights: StoredWeights): WeightSet {
  const tensors = [...weights.tensors.values()].map(({ name, shape, located, file }) => {
    const nowhere = { name, dtype: 'f32', shape, byteOffset: 0, byteLength: 0, file } as const;
    return [name, located ?? nowhere] as const;
  });
  return new WeightSet(weights.files, new Map(tensors));
}

function rolesOfSpec(spec: ModelSpec): WeightRoles {
  const readers: LayerMatrix[] = [];
  const writers: LayerMatrix[] = [];
  for (const [layer, { attention, mlp }] of spec.blocks.entries()) {
    const add = (list: LayerMatrix[], linear: LinearSpec | undefined) => {
      if (linear === undefined) return;
      list.push({ layer, name: linear.weight.name, layout: linear.layout });
    };
    const { qkv } = attention;
    if (qkv.kind === 'fused') add(readers, qkv.weight);
    else for (const part of [qkv.query, qkv.key, qkv.value]) add(readers, part);
    add(writers, attention.output);
    for (const dense of denseParts(mlp)) {
      add(readers, dense.gate);
      add(readers, dense.up);
      add(writers, dense.down);
    }
  }
  const embedding = spec.embedding.tokens.name;
  const head = spec.head?.projection.weight.name;
  return {
    embedding,
    ...(head !== undefined && head !== embedding && { head }),
    layers: spec.blocks.length,
    readers,
    writers,
  };
}

function denseParts(mlp: MlpSpec): readonly DenseMlpSpec[] {
  return mlp.kind === 'experts' ? mlp.experts : [mlp];
}

function rolesByName(weights: StoredWeights): WeightRoles {
  const names = [...weights.tensors.values()]
    .filter(({ shape, values }) => shape.length === 2 && values !== undefined)
    .map(({ name }) => name);
  const embedding = names.find((name) => EMBEDDING.test(name));
  const head = names.find((name) => HEAD.test(name));
  return {
    ...(embedding !== undefined && { embedding }),
    ...(head !== undefined && { head }),
    layers: 0,
    readers: [],
    writers: [],
  };
}
