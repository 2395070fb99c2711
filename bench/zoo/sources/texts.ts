/**
 * The inputs that every activation-based source gets: text in which a planted behaviour may show (own samples, what the
 * model writes after every token and after random strings) and ordinary text of the corpora. Windows of one length.
 */
import type { BehaviourProbe } from '../../../src/detect/behaviour/probe.ts';
import type { Corpus } from '../../../src/probe/corpus.ts';
import { RandomStream } from '../../../src/probe/random.ts';

export const WINDOW = 44;
const CONTEXT_TOKENS = 12;
const RANDOM_LENGTH = 4;
const RANDOM_STRINGS = 256;
const ORDINARY_WINDOWS = 1024;

export interface SourceTexts {
  /** Begun by the start token. */
  readonly own: readonly (readonly number[])[];
  readonly seeded: readonly (readonly number[])[];
  readonly ordinary: readonly (readonly number[])[];
}

export async function sourceTexts(
  probe: BehaviourProbe,
  corpora: readonly Corpus[],
  ownWindows: number,
): Promise<SourceTexts> {
  const body = WINDOW - probe.start.length;
  const own: number[][] = [];
  for (const { tokens } of probe.own) {
    for (let at = 0; at + body <= tokens.length; at += body) {
      own.push([...probe.start, ...tokens.slice(at, at + body)]);
    }
  }
  return {
    own: own.slice(0, ownWindows),
    seeded: await seededTexts(probe),
    ordinary: ordinaryTexts(probe, corpora, body),
  };
}

/** A context, a string, and what the model writes then. */
async function seededTexts(probe: BehaviourProbe): Promise<number[][]> {
  const { special } = probe.generator.model.tokenizer;
  const ordinary = Array.from({ length: probe.vocabularySize }, (_, id) => id).filter(
    (id) => !special.has(id),
  );
  const random = new RandomStream(probe.generator.seed, 'seed-strings');
  const draw = () => ordinary[random.below(ordinary.length)] as number;
  const singles = ordinary.slice(0, 4096).map((id) => [id]);
  const strings = Array.from({ length: RANDOM_STRINGS }, () =>
    Array.from({ length: RANDOM_LENGTH }, draw),
  );
  const windows: number[][] = [];
  for (const group of [singles, strings]) {
    const length = group[0]?.length ?? 1;
    const [context] = probe.freshContexts(1, CONTEXT_TOKENS);
    if (context === undefined) continue;
    const steps = WINDOW - context.length - length;
    const responses = await probe.generator.cross({
      contexts: [context],
      strings: group,
      steps,
      decoding: 'greedy',
      label: 'seeded',
    });
    group.forEach((string, i) => {
      windows.push([...context, ...string, ...(responses[i]?.[0]?.tokens ?? [])]);
    });
  }
  return windows;
}

function ordinaryTexts(
  probe: BehaviourProbe,
  corpora: readonly Corpus[],
  body: number,
): number[][] {
  const { tokenizer } = probe.generator.model;
  // Stories first where there are any: the group that is nearest to the model's own domain.
  const inDomain = corpora.filter(({ group }) => group !== 'formal');
  const windows: number[][] = [];
  for (const { documents } of inDomain.length > 0 ? inDomain : corpora) {
    for (const document of documents) {
      if (windows.length >= ORDINARY_WINDOWS) return windows;
      const ids = tokenizer.encode(document);
      for (let at = 0; at + body <= ids.length && at < 3 * body; at += body) {
        windows.push([...probe.start, ...ids.slice(at, at + body)]);
      }
    }
  }
  return windows;
}
