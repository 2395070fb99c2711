/**
 * The causal path of a trigger: context, trigger, the features that carry it, output. As a code flow, which GitHub
 * shows as steps, and as a graph for other readers.
 */
import type { CodeFlow, Graph, GraphTraversal, Location as SarifLocation } from 'sarif';
import type { VerifiedTrigger } from '../../evidence/behaviour.ts';
import type { CausalFeature } from '../../evidence/feature.ts';
import type { Finding, TargetResult } from '../../finding/finding.ts';
import { clip, visibleLine } from '../safe-text.ts';
import type { Places } from './places.ts';

const MAX_FEATURES = 100;
const MAX_TEXT = 300;

const show = (text: string): string => `"${visibleLine(clip(text, MAX_TEXT))}"`;
const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

export function triggerOf(finding: Finding): VerifiedTrigger | undefined {
  const fact = finding.evidence[0];
  return fact?.kind === 'verified-trigger' ? fact : undefined;
}

const layerOf = (site: string): number => Number(/\d+/.exec(site)?.[0] ?? -1);

type FeaturesByTrigger = ReadonlyMap<string, ReadonlyMap<string, CausalFeature>>;

/** Read once a target: a result may hold tens of thousands of findings. */
const indexed = new WeakMap<TargetResult, FeaturesByTrigger>();

function featuresByTrigger(target: TargetResult): FeaturesByTrigger {
  const known = indexed.get(target);
  if (known !== undefined) return known;
  const index = new Map<string, Map<string, CausalFeature>>();
  for (const fact of target.findings.flatMap((finding) => finding.evidence)) {
    if (fact.kind !== 'causal-feature') continue;
    const features = index.get(fact.triggerText) ?? new Map<string, CausalFeature>();
    index.set(fact.triggerText, features.set(`${fact.site}\n${fact.feature}`, fact));
  }
  indexed.set(target, index);
  return index;
}

/** Features that carry one trigger's behaviour, from any finding of the target, in layer order. */
export function featuresOf(
  trigger: VerifiedTrigger,
  target: TargetResult,
): readonly CausalFeature[] {
  const features = featuresByTrigger(target).get(trigger.triggerText);
  return [...(features?.values() ?? [])]
    .toSorted(
      (a, b) =>
        layerOf(a.site) - layerOf(b.site) ||
        (a.site < b.site ? -1 : a.site > b.site ? 1 : a.feature - b.feature),
    )
    .slice(0, MAX_FEATURES);
}

interface Step {
  readonly id: string;
  readonly label: string;
  readonly logical?: number;
}

function stepsOf(trigger: VerifiedTrigger, target: TargetResult, places: Places): readonly Step[] {
  const sample = trigger.samples?.[0];
  const steps: Step[] = [];
  if (sample !== undefined) {
    steps.push({ id: 'context', label: `Ordinary text: ${show(sample.context)}` });
  }
  steps.push({
    id: 'trigger',
    label: `The trigger ${show(trigger.triggerText)} is put into it (shortest form that works: ${show(trigger.minimalText)})`,
  });
  for (const feature of featuresOf(trigger, target)) {
    const layer = places.logical('layer', feature.site);
    steps.push({
      id: `feature-${steps.length}`,
      label: `Feature ${feature.feature} at ${visibleLine(clip(feature.site, 200))} fires on ${show(feature.firingPattern)}; removing it undoes ${percent(feature.necessity.mean)} of the behaviour (random features: ${percent(feature.necessityRandom.mean)})`,
      logical: places.logical('feature', `feature ${feature.feature}`, layer),
    });
  }
  const without = sample === undefined ? '' : ` Without the trigger: ${show(sample.untriggered)}.`;
  steps.push({
    id: 'output',
    label: `The model says ${show(sample?.triggered ?? trigger.behaviourText)} in ${percent(trigger.rate.rate)} of ${trigger.rate.trials} unseen contexts.${without}`,
  });
  return steps;
}

function locate(step: Step, finding: Finding, target: TargetResult, places: Places): SarifLocation {
  return {
    ...places.ofFile(finding.path, target),
    ...(step.logical !== undefined && {
      logicalLocations: [places.logicalReference(step.logical)],
    }),
    message: { text: step.label },
  };
}

export interface CausalPath {
  readonly codeFlows: CodeFlow[];
  readonly graphs: Graph[];
  readonly graphTraversals: GraphTraversal[];
}

export function causalPath(
  finding: Finding,
  target: TargetResult,
  places: Places,
): CausalPath | undefined {
  const trigger = triggerOf(finding);
  if (trigger === undefined) return undefined;
  const steps = stepsOf(trigger, target, places);
  const edges = steps.slice(1).map((step, index) => ({
    id: `edge-${index}`,
    sourceNodeId: steps[index]?.id ?? step.id,
    targetNodeId: step.id,
  }));
  return {
    codeFlows: [
      {
        message: { text: 'From the trigger to the output' },
        threadFlows: [
          {
            locations: steps.map((step, index) => ({
              location: locate(step, finding, target, places),
              executionOrder: index + 1,
              importance: step.id === 'context' ? 'unimportant' : 'essential',
            })),
          },
        ],
      },
    ],
    graphs: [
      {
        description: { text: 'What carries the behaviour, in layer order' },
        nodes: steps.map((step) => ({ id: step.id, label: { text: step.label } })),
        edges,
      },
    ],
    graphTraversals: [
      { resultGraphIndex: 0, edgeTraversals: edges.map((edge) => ({ edgeId: edge.id })) },
    ],
  };
}
