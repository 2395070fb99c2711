/** Own samples, reference and probe of one model: what every source and every baseline begins with. */
import type { Corpus } from '../../probe/corpus.ts';
import type { Generator } from '../../probe/generation.ts';
import { type OwnSample, ownSamples } from '../../probe/own-samples.ts';
import { Reference } from '../../probe/reference.ts';
import { bestWindow, type Span } from './certainty.ts';
import { BehaviourProbe, type ProbeProgress } from './probe.ts';
import type { BehaviourSettings } from './settings.ts';
import { leakExcess } from './sources/leak.ts';

export interface ProbeInput {
  readonly generator: Generator;
  readonly settings: BehaviourSettings;
  /** Text that explains ordinary continuations; a user's own (`--corpus`) explains far more. */
  readonly corpora: readonly Corpus[];
}

export interface OpenedProbe {
  readonly probe: BehaviourProbe;
  /** Unexplained certainty of each own sample's tokens, nats. */
  readonly excess: readonly Float32Array[];
  /** Best unexplained window of each own sample. */
  readonly windows: readonly Span[];
}

export async function openProbe(input: ProbeInput, progress: ProbeProgress): Promise<OpenedProbe> {
  const { generator, settings } = input;
  progress('own samples', 0, settings.ownSamples);
  const own = await ownSamples(generator, settings.ownSamples, settings.ownSampleTokens);
  progress('reference', 0, 1);
  const reference = buildReference(input, own);
  const excess = own.map((sample) => leakExcess(sample, reference));
  const windows = excess.map((values) => bestWindow(values));
  const leakScores = windows.map(({ score }) => score);
  const parts = { generator, reference, own, leakScores, settings, progress };
  return { probe: new BehaviourProbe(parts), excess, windows };
}

function buildReference(input: ProbeInput, own: readonly OwnSample[]): Reference {
  const { tokenizer, spec } = input.generator.model;
  const groups = new Map<string, number[][]>();
  for (const { documents, group, maxTokens } of input.corpora) {
    const sequences = groups.get(group) ?? [];
    groups.set(group, sequences);
    let count = 0;
    for (const document of documents) {
      // Where ordinary text ends is ordinary too.
      const ids = [...tokenizer.encode(document), ...tokenizer.eos.slice(0, 1)];
      sequences.push(ids);
      count += ids.length;
      if (count > maxTokens) break;
    }
  }
  return new Reference({
    vocabularySize: spec.vocabularySize,
    corpora: [...groups.values()],
    ownSamples: own,
  });
}
