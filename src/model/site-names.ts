/**
 * Names of sites as people know them: ours (`resid_post.3`), TransformerLens' (`blocks.3.hook_resid_post`, and its
 * bridge's `blocks.3.hook_out`) and transformers' module paths (`model.layers.3.output`).
 *
 * Module paths are read off the tensor names in the model's own description, so no family needs a table.
 */
import { ScanError } from '../errors.ts';
import { SITE_KINDS, type SiteKind } from './emit/forward.ts';
import { type Site, siteName } from './graphs/activations.ts';
import type { BlockSpec, LinearSpec, ModelSpec, NormSpec } from './spec.ts';

/** A site, or the logits. */
export type Place = Site | 'logits';

const LENS_BLOCK: Readonly<Record<string, SiteKind>> = {
  hook_resid_pre: 'resid_pre',
  hook_in: 'resid_pre',
  'ln1.hook_in': 'resid_pre',
  'ln1.hook_normalized': 'ln1_normalized',
  'attn.hook_in': 'attn_in',
  'attn.hook_z': 'attn_z',
  hook_attn_out: 'attn_out',
  'attn.hook_out': 'attn_out',
  hook_resid_mid: 'resid_mid',
  'ln2.hook_in': 'resid_mid',
  // A copy of the stream before the second norm, whatever its name suggests.
  hook_mlp_in: 'resid_mid',
  'ln2.hook_normalized': 'ln2_normalized',
  'mlp.hook_in': 'mlp_in',
  'mlp.hook_post': 'mlp_post',
  hook_mlp_out: 'mlp_out',
  'mlp.hook_out': 'mlp_out',
  hook_resid_post: 'resid_post',
  hook_out: 'resid_post',
};

const LENS_MODEL: Readonly<Record<string, SiteKind>> = {
  hook_embed: 'embed',
  'embed.hook_out': 'embed',
  'ln_final.hook_normalized': 'final_normalized',
};

/** @throws ScanError `E_USAGE` for a name that is none of this model's */
export function resolvePlace(spec: ModelSpec, name: string): Place {
  const text = name.trim();
  const place = text === 'logits' ? text : (ownName(text) ?? siteOfLensName(text));
  if (place !== undefined && placeExists(spec, place)) return place;
  const module = modulePlaces(spec).get(text.replace(/\[0\]$/, ''));
  if (module !== undefined) return module;
  throw new ScanError('E_USAGE', `this ${spec.family} has no site ${JSON.stringify(name)}`, {
    hint: `Name one such as resid_post.${spec.blocks.length - 1}, blocks.0.hook_resid_post, ${exampleModule(spec)} or logits.`,
  });
}

export function placeName(place: Place): string {
  return place === 'logits' ? place : siteName(place);
}

function ownName(text: string): Site | undefined {
  const [stem = '', layer] = text.split(/\.(?=\d+$)/);
  const kind = SITE_KINDS.find((candidate) => candidate === stem);
  if (kind === undefined) return undefined;
  const site = { kind, layer: Number(layer ?? 0) };
  return siteName(site) === text ? site : undefined;
}

/** A TransformerLens name, whatever the model. */
export function siteOfLensName(text: string): Site | undefined {
  const whole = lookUp(LENS_MODEL, text);
  if (whole !== undefined) return { kind: whole, layer: 0 };
  const [, layer, rest] = /^blocks\.(\d{1,6})\.(.+)$/.exec(text) ?? [];
  const kind = rest === undefined ? undefined : lookUp(LENS_BLOCK, rest);
  return kind === undefined ? undefined : { kind, layer: Number(layer) };
}

function lookUp(table: Readonly<Record<string, SiteKind>>, key: string): SiteKind | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** Whether the model has the place; a site of `resid_pre` may name the stream after the last block. */
function placeExists(spec: ModelSpec, place: Place): boolean {
  if (place === 'logits') return spec.head !== undefined;
  const { kind, layer } = place;
  if (kind === 'final_normalized') return spec.finalNorm !== undefined;
  if (kind === 'embed' || kind === 'final') return true;
  const block = spec.blocks[layer];
  if (block === undefined) return kind === 'resid_pre' && layer === spec.blocks.length;
  if (kind === 'resid_mid') return block.arrangement === 'sequential';
  if (kind === 'mlp_post') return block.mlp.kind !== 'experts';
  if (kind === 'ln1_normalized') return block.preAttentionNorm !== undefined;
  if (kind === 'ln2_normalized') return block.preMlpNorm !== undefined;
  return true;
}

function exampleModule(spec: ModelSpec): string {
  const block = spec.blocks[0];
  return `${block === undefined ? 'model.layers.0' : blockPath(block, 0)}.output`;
}

/** Inputs and outputs of transformers' modules that are sites. */
export function modulePlaces(spec: ModelSpec): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  const put = (module: string | undefined, end: 'input' | 'output', place: Place) => {
    if (module === undefined || module === '' || !placeExists(spec, place)) return;
    const key = `${module}.${end}`;
    if (!places.has(key)) places.set(key, place);
  };
  spec.blocks.forEach((block, layer) => {
    putBlock(block, layer, (module, end, kind) => put(module, end, { kind, layer }));
  });
  // A scaled embedding leaves its module before it is scaled.
  const embedding = moduleOf(spec.embedding.tokens);
  if (spec.embedding.scale === undefined) put(embedding, 'output', { kind: 'embed', layer: 0 });
  const final = normModule(spec.finalNorm);
  put(final, 'input', { kind: 'resid_post', layer: spec.blocks.length - 1 });
  if (spec.finalProjection === undefined) put(final, 'output', { kind: 'final', layer: 0 });
  const head = spec.head;
  if (head !== undefined && head.softcap === undefined && head.scale === undefined) {
    const module = moduleOf(head.projection.weight);
    put(module === embedding ? 'lm_head' : module, 'output', 'logits');
  }
  return places;
}

type PutSite = (module: string | undefined, end: 'input' | 'output', kind: SiteKind) => void;

function putBlock(block: BlockSpec, layer: number, put: PutSite): void {
  const path = blockPath(block, layer);
  const { attention, mlp } = block;
  const sequential = block.arrangement === 'sequential';
  put(path, 'input', 'resid_pre');
  put(path, 'output', 'resid_post');

  put(normModule(block.preAttentionNorm), 'input', 'resid_pre');
  put(normModule(block.preAttentionNorm), 'output', 'attn_in');
  put(normModule(block.preMlpNorm), 'input', sequential ? 'resid_mid' : 'resid_pre');
  put(normModule(block.preMlpNorm), 'output', 'mlp_in');
  put(normModule(block.afterAttentionAddNorm), 'output', 'resid_mid');
  put(normModule(block.afterMlpAddNorm), 'output', 'resid_post');

  const output = linearModule(attention.output);
  put(output, 'input', 'attn_z');
  const first = linearModule(
    attention.qkv.kind === 'fused' ? attention.qkv.weight : attention.qkv.query,
  );
  for (const module of [first, ...parents(first, path)]) put(module, 'input', 'attn_in');
  putOutput(block, path, output, block.postAttentionNorm, block.afterAttentionAddNorm, put, [
    'attn_out',
    'resid_mid',
  ]);

  if (mlp.kind === 'experts') {
    const router = linearModule(mlp.router);
    put(router, 'input', 'mlp_in');
    for (const module of parents(router, path)) {
      put(module, 'input', 'mlp_in');
      if (block.residualScale === undefined) put(module, 'output', 'mlp_out');
    }
    return;
  }
  const up = linearModule(mlp.up);
  for (const module of [up, ...parents(up, path)]) put(module, 'input', 'mlp_in');
  const down = linearModule(mlp.down);
  put(down, 'input', 'mlp_post');
  putOutput(block, path, down, block.postMlpNorm, block.afterMlpAddNorm, put, [
    'mlp_out',
    'resid_post',
  ]);
}

/** Outputs of a sublayer's last matrix, of the modules around it and of the norm on it. */
function putOutput(
  block: BlockSpec,
  path: string,
  matrix: string,
  postNorm: NormSpec | undefined,
  addNorm: NormSpec | undefined,
  put: PutSite,
  [added, after]: readonly [SiteKind, SiteKind],
): void {
  // Granite's modules give values before the residual factor: not what is added, so no site.
  if (block.residualScale !== undefined) return;
  if (postNorm !== undefined) {
    put(normModule(postNorm), 'output', added);
    return;
  }
  put(matrix, 'output', added);
  const norm = normModule(addNorm);
  for (const module of parents(matrix, path)) {
    // BERT's `attention` and `output` modules end with the addition and its norm.
    const adds = block.modulesAdd === true || norm?.startsWith(`${module}.`) === true;
    put(module, 'output', adds ? after : added);
  }
}

/** `model.layers.3` of `model.layers.3.self_attn.o_proj.weight`. */
function blockPath(block: BlockSpec, layer: number): string {
  const name = block.attention.output.weight.name;
  const at = `.${name}`.indexOf(`.${layer}.`);
  return at < 0 ? '' : name.slice(0, at + String(layer).length);
}

/** Modules around `module`, inside `path`. */
function parents(module: string, path: string): string[] {
  const around: string[] = [];
  for (
    let end = module.lastIndexOf('.');
    end > path.length;
    end = module.lastIndexOf('.', end - 1)
  ) {
    around.push(module.slice(0, end));
  }
  return around;
}

function moduleOf(tensor: { readonly name: string }): string {
  return tensor.name.replace(/\.(?:weight|gamma)$/, '');
}

function linearModule(linear: LinearSpec): string {
  return moduleOf(linear.weight);
}

function normModule(norm: NormSpec | undefined): string | undefined {
  return norm?.weight === undefined ? undefined : moduleOf(norm.weight);
}
