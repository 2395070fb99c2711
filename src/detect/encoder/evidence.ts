/** Found strings as facts. */
import type { ClassFlip, EmbeddingCollapse } from '../../evidence/encoder.ts';
import type { EncoderScan, FoundString } from './scan-encoder.ts';

export async function collapseEvidence(
  { probe, fresh }: EncoderScan<Float32Array>,
  found: FoundString<Float32Array>,
  path: string,
): Promise<EmbeddingCollapse> {
  const triggered = await probe.typed(found.text, fresh);
  const agreementWithout = 1 - probe.effect.ceiling(fresh.plain);
  const agreement = agreementWithout + probe.effect.score(triggered, fresh.plain);
  return { kind: 'embedding-collapse', path, ...shared(found), agreement, agreementWithout };
}

export function flipEvidence(
  labels: readonly string[],
  found: FoundString<number>,
  path: string,
): ClassFlip {
  const className = labels[found.target] ?? `class ${found.target}`;
  return { kind: 'class-flip', path, ...shared(found), className };
}

function shared<T>(found: FoundString<T>) {
  return {
    triggerText: found.text,
    triggerTokenIds: [...found.tokens],
    minimalText: found.minimal.text,
    minimalRate: found.minimal.rate,
    ...(found.extendedText !== undefined && { extendedText: found.extendedText }),
    rate: found.rate,
    controlRate: found.controlRate,
    controlStrings: found.controlStrings,
    controlHighest: found.controlHighest,
    moved: found.moved,
    controlMoved: found.controlMoved,
    pValue: found.pValue,
  };
}
