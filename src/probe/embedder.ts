/**
 * Embeds many texts at once, or classifies them, over the worker pool: texts of like length share a batch, so that
 * little is padded. Encoders see both ways, so no part of a text can be computed once for many.
 */
import type { Engine } from '../engine/engine.ts';
import { type OpenGraph, onEngine } from '../engine/open-graph.ts';
import { type Feeds, f32Output, ids as feed } from '../engine/session.ts';
import { runTextPass, type TextPass } from '../engine/text-pass.ts';
import { ScanError } from '../errors.ts';
import type { SiteVisitor } from '../model/emit/forward.ts';
import type { Span } from '../model/graphs/activations.ts';
import { embedGraph } from '../model/graphs/embed.ts';
import { type LayerPlan, planLayers } from '../model/layer-groups.ts';
import { tensorBytes } from '../model/memory.ts';
import type { Model } from '../model/open-model.ts';
import type { Graph } from '../onnx/graph.ts';

export interface TextReading {
  /** Where the model says how states are pooled. */
  readonly embedding?: Float32Array;
  /** Scores before softmax, where the model classifies. */
  readonly classes?: Float32Array;
}

export interface EmbedderOptions {
  /** Longest text, special tokens included; 512 by default, and never more than the model takes. */
  readonly maxPositions?: number;
  /** Edits of the pass (interventions). */
  readonly visit?: (g: Graph) => SiteVisitor;
}

/** Tokens in one batch: large enough to fill the kernels, small enough to stay in the cache. */
const BATCH_TOKENS = 768;

export class Embedder {
  readonly model: Model;
  readonly maxPositions: number;
  /** Model tokens processed so far, padding included. */
  tokens = 0;
  readonly #open: OpenGraph;
  readonly #visit: EmbedderOptions['visit'];
  /** Kept, so that every reading finds the sessions of the last one. */
  readonly #graphs = new Map<string, Graph>();
  readonly #outputs: readonly ('embedding' | 'classes')[];

  constructor(model: Model, engine: Engine, options: EmbedderOptions = {}) {
    this.model = model;
    this.maxPositions = Math.min(options.maxPositions ?? 512, model.spec.maxPositions);
    this.#open = onEngine(engine);
    this.#visit = options.visit;
    this.#outputs = [
      ...(model.spec.pooling === undefined ? [] : (['embedding'] as const)),
      ...(model.spec.classifier === undefined ? [] : (['classes'] as const)),
    ];
  }

  /** A text's tokens with the special tokens that the model expects around them. */
  framed(ids: readonly number[]): number[] {
    const { before, after } = this.model.tokenizer.frame;
    return [...before, ...ids, ...after];
  }

  /**
   * @param texts token ids, framed, none empty
   * @param receive called once a text, in no particular order; its arrays may be kept
   * @param edits inputs of the graph that `visit` made
   * @throws ScanError `E_LIMIT` for a text that is longer than `maxPositions`
   */
  async read(
    texts: readonly (readonly number[])[],
    receive: (reading: TextReading, index: number) => void,
    edits: Feeds = {},
  ): Promise<void> {
    const longest = texts.reduce((most, text) => Math.max(most, text.length), 1);
    const plan = this.plan(texts.length, longest);
    const batches = batchesByLength(texts, this.maxPositions, plan.batchTokens);
    const pass: TextPass = {
      plan,
      width: this.model.spec.width,
      graph: (span) => this.#graph(span),
    };
    const feeds = function* (embedder: Embedder) {
      for (const batch of batches) {
        const lengths = batch.map((index) => texts[index]?.length ?? 0);
        const longest = Math.max(...lengths);
        const padded = new Int32Array(batch.length * longest);
        batch.forEach((index, row) => {
          padded.set(texts[index] ?? [], row * longest);
        });
        embedder.tokens += padded.length;
        yield {
          ...edits,
          ids: feed(padded, [batch.length, longest]),
          lengths: feed(lengths, [batch.length]),
        };
      }
    };
    await runTextPass(pass, this.#open, feeds(this), (outputs, number) => {
      const batch = batches[number] ?? [];
      if (this.#outputs.some((name) => outputs[name] === undefined)) return;
      const rowsOf = this.#outputs.map((name) => {
        const data = f32Output(outputs, name);
        const width = data.length / batch.length;
        return [name, (row: number) => data.slice(row * width, (row + 1) * width)] as const;
      });
      batch.forEach((index, row) => {
        receive(Object.fromEntries(rowsOf.map(([name, rowOf]) => [name, rowOf(row)])), index);
      });
    });
  }

  /**
   * How texts are read within the engine's memory.
   * @param length tokens of the longest
   * @throws ScanError `E_LIMIT` when they cannot be
   */
  plan(texts: number, length: number): LayerPlan {
    const { spec } = this.model;
    const size = {
      blocks: spec.blocks.length,
      batchTokens: BATCH_TOKENS,
      length,
      totalTokens: texts * length,
      extraBytes: tensorBytes([spec.finalNorm, spec.pooling, spec.classifier]),
      keptFloats: 1,
    };
    return planLayers(spec, size, this.#open);
  }

  #graph(span: Span): Graph {
    const key = `${span.first}-${span.end}`;
    const known = this.#graphs.get(key);
    if (known !== undefined) return known;
    const visit = this.#visit === undefined ? {} : { visit: this.#visit };
    const graph = embedGraph(this.model.spec, { positions: this.maxPositions, span, ...visit });
    this.#graphs.set(key, graph);
    return graph;
  }

  /** @returns readings in the order of the texts */
  async readAll(texts: readonly (readonly number[])[], edits: Feeds = {}): Promise<TextReading[]> {
    const readings: TextReading[] = new Array(texts.length);
    const keep = (reading: TextReading, index: number) => {
      readings[index] = reading;
    };
    await this.read(texts, keep, edits);
    return readings;
  }
}

/** Indices of texts, shortest first, in batches of at most `batchTokens` tokens, or one text. */
function batchesByLength(
  texts: readonly (readonly number[])[],
  maxPositions: number,
  batchTokens: number,
): readonly (readonly number[])[] {
  const lengthOf = (index: number) => texts[index]?.length ?? 0;
  const order = texts.map((_, index) => index).sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);
  const batches: number[][] = [];
  for (const index of order) {
    const length = lengthOf(index);
    if (length === 0 || length > maxPositions) {
      throw new ScanError('E_LIMIT', `a text has ${length} tokens, wanted 1 to ${maxPositions}`);
    }
    const last = batches.at(-1);
    if (last !== undefined && (last.length + 1) * length <= batchTokens) last.push(index);
    else batches.push([index]);
  }
  return batches;
}
