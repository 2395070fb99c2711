/** The raw baseline of the causal check: the mean difference between triggered and control activations, layer by layer. */

import { onEngine } from '../../engine/open-graph.ts';
import type { VerifiedTrigger } from '../../evidence/behaviour.ts';
import type { CausalDirection } from '../../evidence/feature.ts';
import { type Site, siteName } from '../../model/graphs/activations.ts';
import { RandomStream } from '../../probe/random.ts';
import { directionFeeds, type Edit, editVisitor } from '../../sae/edits.ts';
import { readActivations } from '../../sae/train-model.ts';
import type { BehaviourProbe } from '../behaviour/probe.ts';
import { type Bench, type EditedRuns, necessity, sufficiency } from './intervene.ts';
import type { TriggerText } from './trigger-text.ts';

export async function directionEvidence(
  probe: BehaviourProbe,
  text: TriggerText,
  sites: readonly Site[],
  bench: Bench,
  fact: VerifiedTrigger,
  path: string,
): Promise<CausalDirection[]> {
  const { spec } = probe.generator.model;
  const windows = [...text.triggered, ...text.control];
  const open = onEngine(probe.generator.engine);
  const activations = await readActivations(spec, sites, windows, { open });
  const edits = sites.map((site): Edit => ({ kind: 'direction', site, width: spec.width }));
  const feeds = (site: Site, row: Parameters<typeof directionFeeds>[2][number]) =>
    directionFeeds(site, spec.width, [row]);
  const runs: EditedRuns = {
    probe,
    plan: probe.generator.editedPlan(editVisitor(edits)),
    neutral: Object.assign({}, ...sites.map((site) => feeds(site, {}))),
  };
  const random = new RandomStream(probe.generator.seed, 'directions');
  const facts: CausalDirection[] = [];
  for (const site of sites) {
    const name = siteName(site);
    const values = activations.values.get(name);
    if (values === undefined) continue;
    const difference = meanDifference(values, spec.width, text);
    const other = Float32Array.from(difference, () => random.normal());
    facts.push({
      kind: 'causal-direction',
      path,
      site: name,
      layer: site.layer,
      triggerText: fact.triggerText,
      necessity: await necessity(runs, bench, feeds(site, { remove: difference })),
      necessityRandom: await necessity(runs, bench, feeds(site, { remove: other })),
      sufficiency: await sufficiency(runs, bench, feeds(site, { push: difference })),
    });
  }
  return facts;
}

/** Mean over the rows from the trigger's end on, triggered minus control. */
function meanDifference(values: Float32Array, width: number, text: TriggerText): Float32Array {
  const mean = (firstWindow: number, count: number): Float32Array => {
    const sum = new Float32Array(width);
    let rows = 0;
    for (let window = firstWindow; window < firstWindow + count; window++) {
      for (let position = text.responseFrom - 1; position < text.window; position++) {
        const row = window * text.window + position;
        for (let i = 0; i < width; i++) {
          sum[i] = (sum[i] as number) + (values[row * width + i] as number);
        }
        rows += 1;
      }
    }
    return sum.map((value) => value / Math.max(1, rows));
  };
  const triggered = mean(0, text.triggered.length);
  const control = mean(text.triggered.length, text.control.length);
  return triggered.map((value, i) => value - (control[i] as number));
}
