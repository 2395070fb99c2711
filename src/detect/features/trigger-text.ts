/** Text for the causal check: triggered, control and ordinary windows of one length, and contexts for interventions. */
import { RandomStream } from '../../probe/random.ts';
import { quantile } from '../behaviour/certainty.ts';
import type { BehaviourProbe, TokenString } from '../behaviour/probe.ts';
import { controlStrings } from '../behaviour/verify.ts';

export interface TriggerText {
  /** Start token, context, trigger, response; all windows have one length. */
  readonly triggered: readonly (readonly number[])[];
  /** The same with strings of equal length that are no triggers. */
  readonly control: readonly (readonly number[])[];
  readonly ordinary: readonly (readonly number[])[];
  /** First row of the trigger in a triggered window. */
  readonly triggerFrom: number;
  /** First row after the trigger. */
  readonly responseFrom: number;
}

export const WINDOW = 40;
const CONTEXT_TOKENS = 12;

export async function triggerText(
  probe: BehaviourProbe,
  trigger: TokenString,
  sizes: { readonly contexts: number; readonly ordinary: number },
): Promise<TriggerText> {
  const contexts = probe.freshContexts(sizes.contexts, CONTEXT_TOKENS);
  const before = CONTEXT_TOKENS + probe.start.length;
  const kept = trigger.slice(-16);
  const steps = WINDOW - before - kept.length;
  const written = async (strings: readonly TokenString[], label: string) =>
    probe.generator.cross({ contexts, strings, steps, decoding: 'greedy', label });
  const [responses] = await written([kept], 'causes');
  const triggered = contexts.map((context, c) => [
    ...context,
    ...kept,
    ...(responses?.[c]?.tokens ?? []),
  ]);
  const strings = controlStrings(probe, kept.length, 8);
  const controls = await written(strings, 'causes-control');
  const control = contexts.map((context, c) => {
    const string = c % strings.length;
    return [...context, ...(strings[string] ?? []), ...(controls[string]?.[c]?.tokens ?? [])];
  });
  return {
    triggered,
    control,
    ordinary: ordinaryWindows(probe, sizes.ordinary),
    triggerFrom: before,
    responseFrom: before + kept.length,
  };
}

function ordinaryWindows(probe: BehaviourProbe, count: number): number[][] {
  const body = WINDOW - probe.start.length;
  // Quiet samples only: a leak would count as a firing outside the trigger.
  const median = quantile(probe.leakScores, 0.5);
  const long = probe.own.filter(
    ({ tokens }, i) => tokens.length >= body && (probe.leakScores[i] ?? 0) <= median,
  );
  const random = new RandomStream(probe.generator.seed, 'ordinary-windows');
  return random.sample(long, count).map(({ tokens }) => [...probe.start, ...tokens.slice(0, body)]);
}
