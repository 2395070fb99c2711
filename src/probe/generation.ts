/**
 * Generation for probing: every string after every context, batched over the worker pool, with the probability
 * that the model gave to each token it chose.
 */
import type { Engine, Plan } from '../engine/engine.ts';
import { type Feeds, f32Output, floats, i64Output, ids } from '../engine/session.ts';
import { ScanError } from '../errors.ts';
import type { SiteVisitor } from '../model/emit/forward.ts';
import { generateGraph } from '../model/graphs/generate.ts';
import type { Model } from '../model/open-model.ts';
import type { ModelSpec } from '../model/spec.ts';
import type { Graph } from '../onnx/graph.ts';
import { usualRows } from './generation-memory.ts';
import { RandomStream } from './random.ts';

export interface Response {
  readonly tokens: Int32Array;
  /** Of each token under the model, before temperature and bans. */
  readonly probabilities: Float32Array;
}

export interface CrossRequest {
  /** All of one length. */
  readonly contexts: readonly (readonly number[])[];
  readonly strings: readonly (readonly number[])[];
  readonly steps: number;
  readonly decoding: 'greedy' | 'sample';
  /** Of `sample`; 0.7 by default. */
  readonly temperature?: number;
  /** Names the random stream of `sample`. */
  readonly label: string;
  /** End-of-text may be chosen; what is written after it means nothing. */
  readonly mayEnd?: boolean;
}

/** Agreed continuation of one string: argmax of the probability averaged over contexts. */
export interface AgreedPath extends Response {
  /** Most probable first tokens and their mean probability. */
  readonly firstTokens: Int32Array;
  readonly firstProbabilities: Float32Array;
}

export interface GeneratorOptions {
  readonly seed: number;
  /** Longest context + string + steps that will be asked for. */
  readonly maxPositions?: number;
  /** The same model in eight bits, for `agree` with `screening`. */
  readonly screen?: ModelSpec;
  /** Most sequences in a batch; see `planGeneration`. */
  readonly rows?: number;
}

const TEMPERATURE = 0.7;
const BANNED = -1e30;

export class Generator {
  readonly model: Model;
  readonly engine: Engine;
  readonly seed: number;
  /** Model tokens processed so far. */
  tokens = 0;
  readonly #maxPositions: number;
  readonly #maxRows: number;
  readonly #screen: ModelSpec | undefined;
  /** Bans special tokens; the second lets end-of-text through. */
  readonly #bias: Float32Array;
  readonly #endingBias: Float32Array;
  readonly #plans = new Map<string, Plan>();

  constructor(model: Model, engine: Engine, options: GeneratorOptions) {
    this.model = model;
    this.engine = engine;
    this.seed = options.seed;
    this.#maxPositions = Math.min(options.maxPositions ?? 512, model.spec.maxPositions);
    this.#screen = options.screen;
    this.#maxRows = options.rows ?? usualRows(model.spec);
    this.#bias = new Float32Array(model.spec.vocabularySize);
    for (const id of model.tokenizer.special) this.#bias[id] = BANNED;
    this.#endingBias = this.#bias.slice();
    for (const id of model.tokenizer.eos) this.#endingBias[id] = 0;
  }

  /** Longest new text after `used` tokens. */
  room(used: number): number {
    return this.#maxPositions - used;
  }

  /** @returns responses[string][context] */
  async cross(request: CrossRequest): Promise<Response[][]> {
    return this.#run(this.#plan(request.decoding), request, {});
  }

  /** A plan whose strings' and new tokens' rows are edited at sites; contexts are not. */
  editedPlan(visit: (g: Graph) => SiteVisitor): Plan {
    const { spec } = this.model;
    const options = { decoding: 'greedy' as const, maxPositions: this.#maxPositions, visit };
    return this.engine.plan(generateGraph(spec, options));
  }

  /** @param edits inputs of the plan's edits, one row for all sequences */
  async crossEdited(plan: Plan, request: CrossRequest, edits: Feeds): Promise<Response[][]> {
    return this.#run(plan, request, edits);
  }

  async #run(plan: Plan, request: CrossRequest, extra: Feeds): Promise<Response[][]> {
    const { contexts, strings, steps } = request;
    checkLengths(contexts);
    const results: Response[][] = strings.map(() => []);
    const batches = [...this.#batches(contexts, strings)];
    const jobs = this.#crossJobs(request, batches, extra);
    await this.engine.runAll(plan, jobs, (outputs, index) => {
      const batch = batches[index] as Batch;
      const tokens = i64Output(outputs, 'tokens');
      const probabilities = f32Output(outputs, 'probabilities');
      const rows = batch.contexts.length * batch.strings.length;
      let row = 0;
      for (const context of batch.contexts) {
        for (const string of batch.strings) {
          (results[string] as Response[])[context] = column(
            tokens,
            probabilities,
            row,
            rows,
            steps,
          );
          row += 1;
        }
      }
    });
    return results;
  }

  *#crossJobs(request: CrossRequest, batches: readonly Batch[], extra: Feeds): Iterable<Feeds> {
    const random = new RandomStream(this.seed, request.label);
    for (const batch of batches) {
      const rows = batch.contexts.length * batch.strings.length;
      const feeds = {
        ...this.#feeds(batch, request.contexts, request.strings, request.steps, request.mayEnd),
        ...extra,
      };
      if (request.decoding === 'greedy') yield feeds;
      else {
        yield {
          ...feeds,
          uniforms: floats(random.floats(request.steps * rows), [request.steps, rows]),
          temperature: floats([request.temperature ?? TEMPERATURE], []),
        };
      }
    }
  }

  /**
   * @param screening runs in eight bits where the generator has them: to choose what is looked at again, never to report
   * @returns one path a string; all contexts are in every batch, because they vote
   */
  async agree(
    contexts: readonly (readonly number[])[],
    strings: readonly (readonly number[])[],
    steps: number,
    screening = false,
  ): Promise<AgreedPath[]> {
    checkLengths(contexts);
    const results: AgreedPath[] = [];
    const batches = [...this.#batches(contexts, strings, true)];
    const plan = this.#plan(screening && this.#screen !== undefined ? 'screen' : 'agree');
    const jobs = batches.map((batch) => this.#feeds(batch, contexts, strings, steps));
    await this.engine.runAll(plan, jobs, (outputs, index) => {
      const batch = batches[index] as Batch;
      const tokens = i64Output(outputs, 'tokens');
      const probabilities = f32Output(outputs, 'probabilities');
      const firstTokens = i64Output(outputs, 'first_tokens');
      const firstProbabilities = f32Output(outputs, 'first_probabilities');
      const count = batch.strings.length;
      const width = firstTokens.length / count;
      batch.strings.forEach((string, row) => {
        results[string] = {
          ...column(tokens, probabilities, row, count, steps),
          firstTokens: firstTokens.slice(row * width, (row + 1) * width),
          firstProbabilities: firstProbabilities.slice(row * width, (row + 1) * width),
        };
      });
    });
    return results;
  }

  #plan(kind: 'greedy' | 'sample' | 'agree' | 'screen'): Plan {
    let plan = this.#plans.get(kind);
    if (plan === undefined) {
      const spec = kind === 'screen' ? (this.#screen ?? this.model.spec) : this.model.spec;
      const graph = generateGraph(spec, {
        decoding: kind === 'screen' ? 'agree' : kind,
        maxPositions: this.#maxPositions,
      });
      plan = this.engine.plan(graph);
      this.#plans.set(kind, plan);
    }
    return plan;
  }

  #feeds(
    batch: Batch,
    contexts: readonly (readonly number[])[],
    strings: readonly (readonly number[])[],
    steps: number,
    mayEnd = false,
  ): Feeds {
    const chosen = batch.strings.map((index) => strings[index] as readonly number[]);
    const length = Math.max(...chosen.map((string) => string.length));
    const contextLength = contexts[0]?.length ?? 0;
    const rows = batch.contexts.length * chosen.length;
    const block = new Int32Array(chosen.length * length);
    const padding = new Int32Array(rows);
    chosen.forEach((string, row) => {
      const pad = length - string.length;
      block.fill(string[0] ?? 0, row * length, row * length + pad);
      block.set(string, row * length + pad);
      for (let c = 0; c < batch.contexts.length; c++) padding[c * chosen.length + row] = pad;
    });
    const all = new Int32Array(rows * length);
    for (let c = 0; c < batch.contexts.length; c++) all.set(block, c * block.length);
    this.tokens += batch.contexts.length * contextLength + rows * (length + steps);
    return {
      contexts: ids(
        batch.contexts.flatMap((index) => [...(contexts[index] as readonly number[])]),
        [batch.contexts.length, contextLength],
      ),
      strings: ids(all, [rows, length]),
      padding: ids(padding, [rows]),
      steps: ids([steps], []),
      bias: floats(mayEnd ? this.#endingBias : this.#bias, [this.#bias.length]),
    };
  }

  /** Strings of like length share a batch, so that little is spent on padding. */
  *#batches(
    contexts: readonly (readonly number[])[],
    strings: readonly (readonly number[])[],
    together = false,
  ): Iterable<Batch> {
    const order = strings.map((_, i) => i);
    order.sort((a, b) => (strings[a]?.length ?? 0) - (strings[b]?.length ?? 0) || a - b);
    const contextsEach = together ? contexts.length : Math.min(contexts.length, this.#maxRows);
    const stringsEach = Math.max(1, Math.floor(this.#maxRows / contextsEach));
    for (let c = 0; c < contexts.length; c += contextsEach) {
      const group = Array.from(
        { length: Math.min(contextsEach, contexts.length - c) },
        (_, i) => c + i,
      );
      for (let s = 0; s < order.length; s += stringsEach) {
        yield { contexts: group, strings: order.slice(s, s + stringsEach) };
      }
    }
  }
}

/** Contexts are one block of keys and values, so they must be equally long. */
function checkLengths(contexts: readonly (readonly number[])[]): void {
  const lengths = [...new Set(contexts.map(({ length }) => length))].sort((a, b) => a - b);
  if (lengths.length === 1 && lengths[0] !== 0) return;
  const found = lengths.length === 0 ? 'none' : `lengths ${lengths.slice(0, 8).join(', ')}`;
  throw new ScanError(
    'E_INTERNAL',
    `contexts must all have one length of at least 1, got ${found}`,
  );
}

interface Batch {
  readonly contexts: readonly number[];
  readonly strings: readonly number[];
}

/** Row `row` of [steps, rows] outputs. */
function column(
  tokens: Int32Array,
  probabilities: Float32Array,
  row: number,
  rows: number,
  steps: number,
): Response {
  const chosen = new Int32Array(steps);
  const given = new Float32Array(steps);
  for (let step = 0; step < steps; step++) {
    chosen[step] = tokens[step * rows + row] as number;
    given[step] = probabilities[step * rows + row] as number;
  }
  return { tokens: chosen, probabilities: given };
}
