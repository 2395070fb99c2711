/**
 * Which attention heads and MLPs carry a behaviour, found by patching pairs of prompts that differ in one thing.
 * Noising (the other prompt's value in the clean run) shows what is necessary, denoising what is sufficient; the
 * whole set is then held against random sets of the same size. Effects are shares of the clean-corrupt difference.
 */

import type { OpenGraph } from '../engine/open-graph.ts';
import { ScanError } from '../errors.ts';
import type { Model } from '../model/open-model.ts';
import { Random } from '../random.ts';
import { type Component, componentName, componentsOf, PatchRunner } from './patching.ts';
import { type PromptPair, promptAndResponse, promptIds } from './prompts.ts';

export interface Interval {
  readonly mean: number;
  /** Normal 95 % interval of the mean over pairs; the mean itself for one pair. */
  readonly low: number;
  readonly high: number;
}

export interface ComponentEffect {
  readonly component: Component;
  readonly name: string;
  /** Share of the behaviour that is lost with the corrupt value: 1 is all of it. */
  readonly noising: Interval;
  /** Share of the behaviour that the clean value alone brings back. */
  readonly denoising: Interval;
}

export interface Circuit {
  readonly pairs: number;
  /** Pairs whose two prompts hardly differ in their answer; they measure nothing. */
  readonly skippedPairs: number;
  /** All components, largest noising effect first. */
  readonly effects: readonly ComponentEffect[];
  /** Names of the components whose noising effect is above the threshold and surely above zero. */
  readonly members: readonly string[];
  /** Noising all members at once, and as many random others. */
  readonly together: Interval;
  readonly random: Interval;
  /** Noising everything but the members: what is left of the behaviour. */
  readonly membersAlone: Interval;
}

export interface CircuitOptions {
  readonly threshold?: number;
  readonly seed?: number;
  readonly open?: OpenGraph;
  readonly onProgress?: (done: number, total: number) => void;
}

const DEFAULT_THRESHOLD = 0.1;
/** Clean and corrupt logit differences must be this far apart. */
const MIN_DIFFERENCE = 0.1;
const RANDOM_SETS = 8;

interface PreparedPair {
  readonly clean: readonly number[];
  readonly corrupt: readonly number[];
  readonly answer?: number;
  readonly other?: number;
}

/** @throws ScanError `E_USAGE` for pairs that cannot be compared */
export async function findCircuit(
  model: Model,
  pairs: readonly PromptPair[],
  options: CircuitOptions = {},
): Promise<Circuit> {
  const { spec } = model;
  if (spec.head === undefined || !spec.causal) {
    throw new ScanError('E_USAGE', 'circuits are found in models that predict text');
  }
  const prepared = pairs.map((pair, i) => prepare(model, pair, i));
  const longest = Math.max(...prepared.map(({ clean }) => clean.length));
  const components = componentsOf(spec);
  const threshold = options.threshold ?? DEFAULT_THRESHOLD;
  const runner = await PatchRunner.open(spec, longest, options.open);
  try {
    const measured = await measurePairs(runner, prepared, components, options);
    if (measured.length === 0) {
      throw new ScanError('E_USAGE', 'no pair changes the answer, so there is nothing to explain', {
        hint: 'Give --answer and --other, or prompts that lead to different next words.',
      });
    }
    const effects = components
      .map(
        (component, i): ComponentEffect => ({
          component,
          name: componentName(component),
          noising: interval(measured.map(({ noising }) => noising[i] as number)),
          denoising: interval(measured.map(({ denoising }) => denoising[i] as number)),
        }),
      )
      .sort((a, b) => b.noising.mean - a.noising.mean || (a.name < b.name ? -1 : 1));
    const members = effects.filter(({ noising }) => noising.mean > threshold && noising.low > 0);
    const sets = await measureSets(runner, measured, components, members, options.seed ?? 0);
    return {
      pairs: measured.length,
      skippedPairs: prepared.length - measured.length,
      effects,
      members: members.map(({ name }) => name),
      ...sets,
    };
  } finally {
    await runner.close();
  }
}

interface MeasuredPair {
  readonly pair: PreparedPair;
  readonly answer: number;
  readonly other: number;
  readonly corruptValues: Awaited<ReturnType<PatchRunner['read']>>['values'];
  readonly cleanDifference: number;
  readonly corruptDifference: number;
  readonly noising: readonly number[];
  readonly denoising: readonly number[];
}

async function measurePairs(
  runner: PatchRunner,
  pairs: readonly PreparedPair[],
  components: readonly Component[],
  options: CircuitOptions,
): Promise<MeasuredPair[]> {
  const single = [[], ...components.map((component) => [component])];
  const measured: MeasuredPair[] = [];
  for (const [i, pair] of pairs.entries()) {
    const clean = await runner.read(pair.clean);
    const corrupt = await runner.read(pair.corrupt);
    const answer = pair.answer ?? clean.nextToken;
    const other = pair.other ?? corrupt.nextToken;
    const noised = await runner.logitDifferences(pair.clean, corrupt.values, single, answer, other);
    const denoised = await runner.logitDifferences(
      pair.corrupt,
      clean.values,
      single,
      answer,
      other,
    );
    options.onProgress?.(i + 1, pairs.length);
    const cleanDifference = noised[0] as number;
    const corruptDifference = denoised[0] as number;
    const span = cleanDifference - corruptDifference;
    if (answer === other || span < MIN_DIFFERENCE) continue;
    measured.push({
      pair,
      answer,
      other,
      corruptValues: corrupt.values,
      cleanDifference,
      corruptDifference,
      noising: noised.slice(1).map((difference) => (cleanDifference - difference) / span),
      denoising: denoised.slice(1).map((difference) => (difference - corruptDifference) / span),
    });
  }
  return measured;
}

async function measureSets(
  runner: PatchRunner,
  pairs: readonly MeasuredPair[],
  components: readonly Component[],
  members: readonly ComponentEffect[],
  seed: number,
): Promise<Pick<Circuit, 'together' | 'random' | 'membersAlone'>> {
  const chosen = members.map(({ component }) => component);
  const names = new Set(members.map(({ name }) => name));
  const others = components.filter((component) => !names.has(componentName(component)));
  const random = new Random(seed);
  const randomSets = Array.from({ length: RANDOM_SETS }, () =>
    random.shuffle([...others]).slice(0, chosen.length),
  );
  const together: number[] = [];
  const alone: number[] = [];
  const controls: number[] = [];
  for (const measured of pairs) {
    const { pair, corruptValues, answer, other, cleanDifference, corruptDifference } = measured;
    const differences = await runner.logitDifferences(
      pair.clean,
      corruptValues,
      [chosen, others, ...randomSets],
      answer,
      other,
    );
    const lost = differences.map(
      (difference) => (cleanDifference - difference) / (cleanDifference - corruptDifference),
    );
    together.push(lost[0] as number);
    alone.push(1 - (lost[1] as number));
    controls.push(lost.slice(2).reduce((sum, value) => sum + value, 0) / RANDOM_SETS);
  }
  return {
    together: interval(together),
    membersAlone: interval(alone),
    random: interval(controls),
  };
}

function prepare(model: Model, pair: PromptPair, index: number): PreparedPair {
  const clean = promptIds(model, pair.clean);
  const corrupt = promptIds(model, pair.corrupt);
  if (clean.length !== corrupt.length) {
    throw new ScanError(
      'E_USAGE',
      `pair ${index + 1}: the prompts have ${clean.length} and ${corrupt.length} tokens`,
      { hint: 'Patching compares position by position: word both prompts with as many tokens.' },
    );
  }
  const first = (prompt: string, text: string | undefined): number | undefined =>
    text === undefined ? undefined : promptAndResponse(model, prompt, text).response[0];
  const answer = first(pair.clean, pair.answer);
  const other = first(pair.corrupt, pair.other);
  return {
    clean,
    corrupt,
    ...(answer !== undefined && { answer }),
    ...(other !== undefined && { other }),
  };
}

export function interval(values: readonly number[]): Interval {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, low: mean, high: mean };
  const variance =
    values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const half = 1.96 * Math.sqrt(variance / values.length);
  return { mean, low: mean - half, high: mean + half };
}
