/**
 * Activation patching: a prompt is run with the output of chosen attention heads and MLPs replaced by what they gave
 * on another prompt (Meng et al. 2022; Heimersheim and Nanda 2024, "How to use and interpret activation patching").
 * All replacements of one prompt run as one batch.
 */

import { type OpenedGraph, type OpenGraph, openHere } from '../engine/open-graph.ts';
import { f32Output, floats, ids } from '../engine/session.ts';
import { ScanError } from '../errors.ts';
import { emitForward, emitLogits } from '../model/emit/forward.ts';
import { activationsGraph, plainBatch, type Site, siteName } from '../model/graphs/activations.ts';
import type { ModelSpec } from '../model/spec.ts';
import { type Graph, int, type Value } from '../onnx/graph.ts';
import { editVisitor } from '../sae/edits.ts';

/** A part of the model whose output can be replaced alone. */
export type Component =
  | { readonly kind: 'head'; readonly layer: number; readonly head: number }
  | { readonly kind: 'mlp'; readonly layer: number };

export function componentName(component: Component): string {
  return component.kind === 'head'
    ? `head ${component.layer}.${component.head}`
    : `mlp ${component.layer}`;
}

export function componentsOf(spec: ModelSpec): Component[] {
  return spec.blocks.flatMap(({ attention }, layer): Component[] => [
    ...Array.from(
      { length: attention.heads },
      (_, head): Component => ({ kind: 'head', layer, head }),
    ),
    { kind: 'mlp', layer },
  ]);
}

/** Values of every component's output on one prompt, by site name: [tokens, width]. */
export type ComponentValues = ReadonlyMap<string, Float32Array>;

interface PatchSite {
  readonly site: Site;
  readonly width: number;
}

export class PatchRunner {
  readonly #spec: ModelSpec;
  readonly #sites: readonly PatchSite[];
  readonly #read: OpenedGraph;
  readonly #patch: OpenedGraph;

  private constructor(
    spec: ModelSpec,
    sites: readonly PatchSite[],
    read: OpenedGraph,
    patch: OpenedGraph,
  ) {
    this.#spec = spec;
    this.#sites = sites;
    this.#read = read;
    this.#patch = patch;
  }

  /** @param positions longest prompt */
  static async open(
    spec: ModelSpec,
    positions: number,
    open: OpenGraph = openHere,
  ): Promise<PatchRunner> {
    const sites = spec.blocks.flatMap(({ attention }, layer): PatchSite[] => [
      { site: { kind: 'attn_z', layer }, width: attention.heads * attention.headDim },
      { site: { kind: 'mlp_out', layer }, width: spec.width },
    ]);
    const read = activationsGraph(
      spec,
      sites.map(({ site }) => site),
      { logits: true, positions },
    );
    return new PatchRunner(
      spec,
      sites,
      await open(read),
      await open(patchGraph(spec, sites, positions)),
    );
  }

  async read(
    prompt: readonly number[],
  ): Promise<{ readonly values: ComponentValues; readonly nextToken: number }> {
    const outputs = await this.#read.run({ ids: ids(prompt, [1, prompt.length]) });
    const logits = f32Output(outputs, 'logits').subarray(-this.#spec.vocabularySize);
    const values = this.#sites.map(({ site }): [string, Float32Array] => {
      const name = siteName(site);
      return [name, f32Output(outputs, name)];
    });
    return { values: new Map(values), nextToken: indexOfLargest(logits) };
  }

  /**
   * Logit of `answer` minus logit of `other` after the prompt, once for each set of replaced components.
   * @param source what the components gave on the other prompt, which has as many tokens
   */
  async logitDifferences(
    prompt: readonly number[],
    source: ComponentValues,
    replaced: readonly (readonly Component[])[],
    answer: number,
    other: number,
    rowsPerRun = 64,
  ): Promise<number[]> {
    const length = prompt.length;
    const results: number[] = [];
    for (let start = 0; start < replaced.length; start += rowsPerRun) {
      const rows = replaced.slice(start, start + rowsPerRun);
      const outputs = await this.#patch.run({
        ids: ids(
          rows.flatMap(() => prompt),
          [rows.length, length],
        ),
        answer: ids(
          rows.map(() => answer),
          [rows.length],
        ),
        other: ids(
          rows.map(() => other),
          [rows.length],
        ),
        ...Object.fromEntries(
          this.#sites.flatMap(({ site, width }) => {
            const name = siteName(site);
            const values = source.get(name);
            if (values === undefined || values.length !== length * width) {
              throw new ScanError('E_USAGE', 'both prompts of a pair must have as many tokens');
            }
            const mask = new Float32Array(rows.length * width);
            rows.forEach((components, row) => {
              this.#fillMask(mask.subarray(row * width, (row + 1) * width), site, components);
            });
            return [
              [`mask.${name}`, floats(mask, [rows.length, 1, width])],
              [`source.${name}`, floats(values, [1, length, width])],
            ];
          }),
        ),
      });
      results.push(...f32Output(outputs, 'difference'));
    }
    return results;
  }

  #fillMask(mask: Float32Array, site: Site, components: readonly Component[]): void {
    for (const component of components) {
      if (component.layer !== site.layer) continue;
      if (component.kind === 'mlp' && site.kind === 'mlp_out') mask.fill(1);
      if (component.kind === 'head' && site.kind === 'attn_z') {
        const headDim = this.#spec.blocks[site.layer]?.attention.headDim ?? 0;
        mask.fill(1, component.head * headDim, (component.head + 1) * headDim);
      }
    }
  }

  async close(): Promise<void> {
    await this.#read.close();
    await this.#patch.close();
  }
}

/** Inputs `ids` [rows, length], `answer` and `other` i64 [rows], the patches; output `difference` [rows]. */
function patchGraph(spec: ModelSpec, sites: readonly PatchSite[], positions: number): Graph {
  const { graph: g, ids: flat, rows, shape } = plainBatch(spec, positions);
  const edits = sites.map(({ site, width }) => ({ kind: 'patch' as const, site, width }));
  const x = emitForward(g, spec, flat, rows, { visit: editVisitor(edits)(g) });
  const shaped = g.reshape(x, g.concat([shape, g.i64([spec.width])], 0));
  const last = g.op('Squeeze', [
    g.op('Slice', [shaped, g.i64([-1]), g.i64([Number.MAX_SAFE_INTEGER]), g.i64([1])]),
    g.i64([1]),
  ]);
  const logits = emitLogits(g, spec, last);
  const pick = (name: string): Value => {
    const index = g.unsqueeze(g.input(name, 'i64', ['batch']), [1]);
    return g.op('GatherElements', [logits, index], { axis: int(1) });
  };
  const difference = g.op('Squeeze', [g.sub(pick('answer'), pick('other')), g.i64([1])]);
  g.output('difference', difference, 'f32', ['batch']);
  return g;
}

function indexOfLargest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i;
  }
  return best;
}
