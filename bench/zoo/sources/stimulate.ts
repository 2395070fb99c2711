/**
 * Stimulation (after ABS, Liu et al. 2019): push the stream along a direction while the model writes after ordinary
 * contexts. A direction that carries a dormant text makes the model write it, and its first words are candidates.
 * Directions: decoder rows of dictionaries, output columns of MLP neurons (weights alone), random ones.
 */

import { FileSource } from '../../../src/artifact/byte-source.ts';
import { elementCount } from '../../../src/artifact/tensor.ts';
import { readScalars } from '../../../src/artifact/values/tensor-values.ts';
import {
  overContexts,
  quantile,
  type ScoredResponse,
  scoreResponse,
} from '../../../src/detect/behaviour/certainty.ts';
import type { BehaviourProbe, TokenString } from '../../../src/detect/behaviour/probe.ts';
import { uniqueStrings } from '../../../src/detect/behaviour/probe.ts';
import type { CandidateString } from '../../../src/detect/behaviour/search.ts';
import { type Site, siteName } from '../../../src/model/graphs/activations.ts';
import { RandomStream } from '../../../src/probe/random.ts';
import type { SiteDictionary } from '../../../src/sae/corpus-pass.ts';
import { featureVectors } from '../../../src/sae/dictionary.ts';
import { directionFeeds, editVisitor } from '../../../src/sae/edits.ts';
import type { ActivationBench } from './activations.ts';

const CONTEXTS = 4;
const CONTEXT_TOKENS = 18;
const STEPS = 20;
const ROWS_PER_RUN = 256;
/** Pushes, in medians of the stream's norm at the site. */
const STRENGTHS = [0.5];
const DIRECTIONS_KEPT = 16;
const MAX_PREFIX = 8;
/** Every so many rows; no multiple of a window's length. */
const NORM_STRIDE = 37;
const START_SLACK = 2;

export interface DirectionGroup {
  readonly site: Site;
  /** Unit length each, [count, width]. */
  readonly directions: Float32Array;
  /** Median norm of the stream there. */
  readonly norm: number;
}

export interface Stimulated {
  readonly score: number;
  readonly response: ScoredResponse;
}

export function decoderDirections(
  { site, dictionary }: SiteDictionary,
  norm: number,
): DirectionGroup {
  const features = Array.from({ length: dictionary.featureCount }, (_, i) => i);
  const directions = featureVectors(dictionary.decoder, 'features-in', features);
  return { site, directions: unitRows(directions, dictionary.outputWidth), norm };
}

/** Columns of the block's MLP output matrix: what each neuron writes. Needs no text. */
export function neuronDirections(
  probe: BehaviourProbe,
  site: Site,
  norm: number,
): DirectionGroup | undefined {
  const { spec } = probe.generator.model;
  const mlp = spec.blocks[site.layer]?.mlp;
  if (mlp === undefined || mlp.kind === 'experts') return undefined;
  const { weight, layout } = mlp.down;
  using source = new FileSource(weight.file);
  const values = readScalars(source, weight, 0, elementCount(weight.shape));
  const rows = new Float32Array(mlp.hidden * spec.width);
  for (let neuron = 0; neuron < mlp.hidden; neuron++) {
    for (let i = 0; i < spec.width; i++) {
      rows[neuron * spec.width + i] = (
        layout === 'out-in' ? values[i * mlp.hidden + neuron] : values[neuron * spec.width + i]
      ) as number;
    }
  }
  return { site, directions: unitRows(rows, spec.width), norm };
}

export function randomDirections(
  probe: BehaviourProbe,
  site: Site,
  norm: number,
  count: number,
): DirectionGroup {
  const { width } = probe.generator.model.spec;
  const random = new RandomStream(probe.generator.seed, 'random-directions');
  const rows = Float32Array.from({ length: count * width }, () => random.normal());
  return { site, directions: unitRows(rows, width), norm };
}

/** The best response that each direction brings out, over strengths. */
export async function stimulate(
  probe: BehaviourProbe,
  group: DirectionGroup,
): Promise<Stimulated[]> {
  const { generator } = probe;
  const { width } = generator.model.spec;
  const { site, directions, norm } = group;
  const count = directions.length / width;
  const plan = generator.editedPlan(editVisitor([{ kind: 'direction', site, width }]));
  const contexts = probe.freshContexts(CONTEXTS, CONTEXT_TOKENS);
  const best: (Stimulated | undefined)[] = Array.from({ length: count });
  for (const strength of STRENGTHS) {
    for (let first = 0; first < count; first += ROWS_PER_RUN) {
      const indexes = Array.from(
        { length: Math.min(ROWS_PER_RUN, count - first) },
        (_, i) => first + i,
      );
      const feeds = directionFeeds(
        site,
        width,
        indexes.map((i) => ({
          push: directions
            .subarray(i * width, (i + 1) * width)
            .map((value) => value * norm * strength),
        })),
      );
      const responses: ScoredResponse[][] = indexes.map(() => []);
      for (const context of contexts) {
        const rows = await generator.crossEdited(
          plan,
          {
            contexts: [context.slice(0, -1)],
            // One row a direction: the context's last token is the string of each.
            strings: indexes.map(() => context.slice(-1)),
            steps: STEPS,
            decoding: 'greedy',
            label: 'stimulate',
          },
          feeds,
        );
        rows.forEach(([response], i) => {
          if (response === undefined) return;
          responses[i]?.push(
            scoreResponse(probe.reference, probe.beginsWord, context, [], response),
          );
        });
      }
      indexes.forEach((index, i) => {
        const scored = responses[i] ?? [];
        const score = overContexts(scored.map(({ span }) => span.score));
        const [response] = [...scored].sort((a, b) => b.span.score - a.span.score);
        if (response !== undefined && score > (best[index]?.score ?? -1)) {
          best[index] = { score, response };
        }
      });
    }
  }
  return best.filter((one) => one !== undefined);
}

/** First words of what the strongest directions bring out. */
export function stimulatedStrings(found: readonly Stimulated[]): CandidateString[] {
  const strongest = [...found].sort((a, b) => b.score - a.score).slice(0, DIRECTIONS_KEPT);
  const strings: TokenString[] = [];
  for (const { response } of strongest) {
    const tokens = Array.from(response.tokens);
    const from = Math.max(0, response.span.start - START_SLACK);
    for (let at = from; at <= response.span.start + START_SLACK; at++) {
      for (let length = 1; length <= MAX_PREFIX; length++)
        strings.push(tokens.slice(at, at + length));
    }
  }
  return uniqueStrings(strings.filter((string) => string.length > 0)).map((tokens) => ({
    tokens,
    source: 'feature',
  }));
}

/** Of the stream at a site, over ordinary rows; a start token's is far from typical. */
export function medianNorm(bench: ActivationBench, site: Site): number {
  const { width } = bench.probe.generator.model.spec;
  const values = bench.values.get(siteName(site)) ?? new Float32Array(0);
  const norms: number[] = [];
  for (let row = 0; row * width < values.length; row += NORM_STRIDE) {
    norms.push(Math.hypot(...values.subarray(row * width, (row + 1) * width)));
  }
  return quantile(norms, 0.5);
}

function unitRows(rows: Float32Array, width: number): Float32Array {
  const result = new Float32Array(rows.length);
  for (let row = 0; row < rows.length / width; row++) {
    const one = rows.subarray(row * width, (row + 1) * width);
    const norm = Math.hypot(...one) || 1;
    one.forEach((value, i) => {
      result[row * width + i] = value / norm;
    });
  }
  return result;
}
