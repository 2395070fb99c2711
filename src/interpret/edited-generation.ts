/** Greedy continuations of prompts, each under its own change of features. */

import { type OpenedGraph, type OpenGraph, openHere } from '../engine/open-graph.ts';
import { floats, i64Output, ids } from '../engine/session.ts';
import { siteName } from '../model/graphs/activations.ts';
import { generateGraph } from '../model/graphs/generate.ts';
import type { Model } from '../model/open-model.ts';
import type { SiteDictionary } from '../sae/corpus-pass.ts';
import { editVisitor, type FeatureEdit, featureFeeds } from '../sae/edits.ts';
import { promptIds } from './prompts.ts';

const ROWS_PER_RUN = 32;
const BANNED = -1e30;

export class EditedGenerator {
  readonly #model: Model;
  readonly #dictionaries: readonly SiteDictionary[];
  readonly #graph: OpenedGraph;
  readonly #bias: Float32Array;
  readonly #steps: number;

  private constructor(
    model: Model,
    dictionaries: readonly SiteDictionary[],
    graph: OpenedGraph,
    steps: number,
  ) {
    this.#model = model;
    this.#dictionaries = dictionaries;
    this.#graph = graph;
    this.#steps = steps;
    this.#bias = new Float32Array(model.spec.vocabularySize);
    for (const id of model.tokenizer.special) this.#bias[id] = BANNED;
  }

  static async open(
    model: Model,
    dictionaries: readonly SiteDictionary[],
    steps: number,
    open: OpenGraph = openHere,
  ): Promise<EditedGenerator> {
    const graph = generateGraph(model.spec, {
      decoding: 'greedy',
      maxPositions: model.spec.maxPositions,
      visit: editVisitor(dictionaries.map((entry) => ({ kind: 'features' as const, ...entry }))),
    });
    return new EditedGenerator(model, dictionaries, await open(graph), steps);
  }

  /**
   * @param edit changes of features by site name, the same for all prompts; empty for none
   * @returns new tokens of each prompt
   */
  async run(
    prompts: readonly string[],
    edit: ReadonlyMap<string, FeatureEdit>,
  ): Promise<Int32Array[]> {
    const sequences = prompts.map((prompt) => promptIds(this.#model, prompt, this.#steps));
    const results: Int32Array[] = [];
    for (let start = 0; start < sequences.length; start += ROWS_PER_RUN) {
      results.push(...(await this.#batch(sequences.slice(start, start + ROWS_PER_RUN), edit)));
    }
    return results;
  }

  async #batch(
    sequences: readonly (readonly number[])[],
    edit: ReadonlyMap<string, FeatureEdit>,
  ): Promise<Int32Array[]> {
    // The first token is the shared context; edits leave it alone, as they leave BOS alone in training.
    const head = this.#model.tokenizer.bos ?? this.#model.tokenizer.eos[0] ?? 0;
    const strings = sequences.map((sequence) =>
      sequence[0] === head ? sequence.slice(1) : sequence,
    );
    const length = Math.max(1, ...strings.map((string) => string.length));
    const padded = strings.flatMap((string) => [
      ...new Array<number>(length - string.length).fill(head),
      ...string,
    ]);
    const rows = strings.length;
    const outputs = await this.#graph.run({
      contexts: ids([head], [1, 1]),
      strings: ids(padded, [rows, length]),
      padding: ids(
        strings.map((string) => length - string.length),
        [rows],
      ),
      steps: ids([this.#steps], []),
      bias: floats(this.#bias, [this.#bias.length]),
      ...Object.assign(
        {},
        ...this.#dictionaries.map(({ site, dictionary }) =>
          featureFeeds(site, dictionary.featureCount, [edit.get(siteName(site)) ?? {}]),
        ),
      ),
    });
    const tokens = i64Output(outputs, 'tokens');
    return strings.map((_, row) =>
      Int32Array.from({ length: this.#steps }, (_, step) => tokens[step * rows + row] as number),
    );
  }

  async close(): Promise<void> {
    await this.#graph.close();
  }
}
