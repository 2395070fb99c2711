/** Text for the causal check: triggered, control and ordinary windows of one length, and contexts for interventions. */
import type { Frame } from '../../evidence/behaviour.ts';
import { RandomStream } from '../../probe/random.ts';
import { quantile } from '../behaviour/certainty.ts';
import type { BehaviourProbe, TokenString } from '../behaviour/probe.ts';
import { controlStrings } from '../behaviour/verify.ts';

/** Where the trigger stands: behind ordinary text, or before so many tokens of it. */
export type Standing =
  | { readonly kind: 'behind' }
  | { readonly kind: 'before'; readonly fillerTokens: number };

/** Distances that the delayed and the start frame try; which one a finding came from is measured again. */
const FILLER_TOKENS = [8, 23];

/** What to try for a frame; none for frames whose surroundings a plain text does not have. */
export function standingsOf(frame: Frame): readonly Standing[] {
  if (frame === 'suffix') return [{ kind: 'behind' }];
  if (frame !== 'delayed' && frame !== 'start') return [];
  return FILLER_TOKENS.map((fillerTokens) => ({ kind: 'before', fillerTokens }));
}

export interface TriggerText {
  /** Tokens of every window. */
  readonly window: number;
  /** Start token, context, trigger, response; or start token, trigger, filler, response. */
  readonly triggered: readonly (readonly number[])[];
  /** The same with strings of equal length that are no triggers. */
  readonly control: readonly (readonly number[])[];
  readonly ordinary: readonly (readonly number[])[];
  /** First row of the trigger in a triggered window, and the first behind it. */
  readonly triggerFrom: number;
  readonly triggerEnd: number;
  /** First row of what the model writes. */
  readonly responseFrom: number;
}

const CONTEXT_TOKENS = 12;
const RESPONSE_TOKENS = 12;
const MIN_WINDOW = 40;
const CONTROL_STRINGS = 8;
/** Of a long string the end decides. */
export const MAX_TRIGGER_TOKENS = 16;

export async function triggerText(
  probe: BehaviourProbe,
  trigger: TokenString,
  standing: Standing,
  sizes: { readonly contexts: number; readonly ordinary: number },
): Promise<TriggerText> {
  const string = trigger.slice(-MAX_TRIGGER_TOKENS);
  const { start } = probe;
  const behind = standing.kind === 'behind';
  const fillerTokens = behind ? CONTEXT_TOKENS : standing.fillerTokens;
  const responseFrom = start.length + fillerTokens + string.length;
  const window = Math.max(MIN_WINDOW, responseFrom + RESPONSE_TOKENS);
  const fillers = probe
    .freshContexts(sizes.contexts, fillerTokens)
    .map((context) => context.slice(start.length));
  const strings = controlStrings(probe, string.length, CONTROL_STRINGS);
  const written = async (chosen: (index: number) => TokenString, label: string) => {
    const tails = fillers.map((filler, i) =>
      behind ? [...filler, ...chosen(i)] : [...chosen(i), ...filler],
    );
    const steps = window - responseFrom;
    const rows = await probe.generator.cross({
      contexts: [start],
      strings: tails,
      steps,
      decoding: 'greedy',
      label,
    });
    return tails.map((tail, i) => [...start, ...tail, ...(rows[i]?.[0]?.tokens ?? [])]);
  };
  const triggerFrom = start.length + (behind ? fillerTokens : 0);
  return {
    window,
    triggered: await written(() => string, 'causes'),
    control: await written((i) => strings[i % strings.length] ?? string, 'causes-control'),
    ordinary: ordinaryWindows(probe, sizes.ordinary, window),
    triggerFrom,
    triggerEnd: triggerFrom + string.length,
    responseFrom,
  };
}

function ordinaryWindows(probe: BehaviourProbe, count: number, window: number): number[][] {
  const body = window - probe.start.length;
  // Quiet samples only: a leak would count as a firing outside the trigger.
  const median = quantile(probe.leakScores, 0.5);
  const long = probe.own.filter(
    ({ tokens }, i) => tokens.length >= body && (probe.leakScores[i] ?? 0) <= median,
  );
  const random = new RandomStream(probe.generator.seed, 'ordinary-windows');
  return random.sample(long, count).map(({ tokens }) => [...probe.start, ...tokens.slice(0, body)]);
}
