/**
 * Where in the model a string does its work: the mean difference between triggered and control states is taken out of
 * the stream at one layer, and the effect measured again, against random directions of the same width.
 */
import type { Engine } from '../../engine/engine.ts';
import { onEngine } from '../../engine/open-graph.ts';
import type { Feeds } from '../../engine/session.ts';
import type { CausalDirection, InterventionEffect } from '../../evidence/feature.ts';
import { type Site, siteName } from '../../model/graphs/activations.ts';
import { Embedder, type TextReading } from '../../probe/embedder.ts';
import { RandomStream } from '../../probe/random.ts';
import { directionFeeds, type Edit, editVisitor } from '../../sae/edits.ts';
import { readActivations } from '../../sae/train-model.ts';
import type { Contexts, EncoderProbe } from './probe.ts';
import { carry, type TokenString } from './texts.ts';

/** Tokens of ordinary text around the string; all windows have one length. */
const TEXT_TOKENS = 20;
const MAX_LAYERS = 12;
const Z95 = 1.96;

export interface CausesInput<T> {
  readonly probe: EncoderProbe<T>;
  readonly engine: Engine;
  readonly fresh: Contexts;
  readonly contexts: number;
  readonly trigger: TokenString;
  /** As many tokens each as the trigger has. */
  readonly controls: readonly TokenString[];
  readonly target: T;
  readonly path: string;
  readonly seed: number;
}

export interface Causes {
  readonly evidence: readonly CausalDirection[];
  readonly tokens: number;
}

export async function directionCauses<T>(input: CausesInput<T>): Promise<Causes> {
  const { probe, engine, controls, trigger, target, path, seed } = input;
  const { model, maxPositions } = probe.embedder;
  const { spec, tokenizer } = model;
  const room = Math.min(TEXT_TOKENS, maxPositions - trigger.length - 4);
  const texts = input.fresh.carriers
    .map((carrier) => tokenizer.encode(carry(carrier)).slice(0, room))
    .filter(({ length }) => length === room)
    .slice(0, input.contexts);
  const matched = controls.filter(({ length }) => length === trigger.length);
  if (room < 2 || texts.length < 2 || matched.length === 0) return { evidence: [], tokens: 0 };
  const middle = Math.floor(room / 2);
  const windows = (string: (i: number) => TokenString) =>
    texts.map((text, i) =>
      probe.embedder.framed([...text.slice(0, middle), ...string(i), ...text.slice(middle)]),
    );
  const triggered = windows(() => trigger);
  const control = windows((i) => matched[i % matched.length] as TokenString);
  const layers = spacedLayers(spec.blocks.length);
  const sites = layers.map((layer): Site => ({ kind: 'resid_post', layer }));
  const open = onEngine(engine);
  const states = await readActivations(spec, sites, [...triggered, ...control], { open });

  const edits = sites.map((site): Edit => ({ kind: 'direction', site, width: spec.width }));
  const edited = new Embedder(model, engine, { maxPositions, visit: editVisitor(edits) });
  const neutral: Feeds = Object.assign(
    {},
    ...sites.map((site) => directionFeeds(site, spec.width, [{}])),
  );
  const plain = await edited.readAll(control, neutral);
  const movedBy = async (list: readonly (readonly number[])[], feeds: Feeds) => {
    const readings = await edited.readAll(list, { ...neutral, ...feeds });
    return readings.map((reading, i) =>
      probe.effect.moved(reading, plain[i] as TextReading, target),
    );
  };
  const whole = await movedBy(triggered, {});
  const kept = plain.flatMap((reading, i) => (probe.effect.isTrial(reading, target) ? [i] : []));
  const full = mean(kept.map((i) => whole[i] as number));
  if (kept.length < 2 || full <= 0) return { evidence: [], tokens: edited.tokens };
  const shares = (moved: readonly number[]) => kept.map((i) => (moved[i] as number) / full);
  const random = new RandomStream(seed, 'encoder directions');
  const evidence: CausalDirection[] = [];
  for (const [done, site] of sites.entries()) {
    const name = siteName(site);
    const values = states.values.get(name);
    if (values === undefined) continue;
    const difference = rowDifference(values, spec.width);
    const other = difference.map(() => random.normal());
    const removing = async (remove: Float32Array) => {
      const moved = await movedBy(triggered, directionFeeds(site, spec.width, [{ remove }]));
      return interval(shares(moved).map((share) => 1 - share));
    };
    const pushed = await movedBy(control, directionFeeds(site, spec.width, [{ push: difference }]));
    evidence.push({
      kind: 'causal-direction',
      path,
      site: name,
      layer: site.layer,
      triggerText: tokenizer.decodeInside(trigger).trim(),
      necessity: await removing(difference),
      necessityRandom: await removing(other),
      sufficiency: interval(shares(pushed)),
    });
    probe.progress('layers', done + 1, sites.length);
  }
  return { evidence, tokens: edited.tokens + states.tokens };
}

function spacedLayers(count: number): number[] {
  const wanted = Math.min(count, MAX_LAYERS);
  return Array.from({ length: wanted }, (_, i) => Math.round(((i + 1) * count) / wanted) - 1);
}

/** Mean over the rows of the first half of the windows minus that of the second half. */
function rowDifference(values: Float32Array, width: number): Float32Array {
  const difference = new Float32Array(width);
  const rows = values.length / width;
  for (let row = 0; row < rows; row++) {
    const sign = row < rows / 2 ? 1 : -1;
    for (let i = 0; i < width; i++) {
      const value = (sign * (values[row * width + i] as number)) / (rows / 2);
      difference[i] = (difference[i] as number) + value;
    }
  }
  return difference;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Mean with its 95 % interval by the normal approximation. */
function interval(values: readonly number[]): InterventionEffect {
  const centre = mean(values);
  const variance = mean(values.map((value) => (value - centre) ** 2));
  const half = Z95 * Math.sqrt(variance / Math.max(1, values.length - 1));
  return { mean: centre, low: centre - half, high: centre + half, contexts: values.length };
}
