/**
 * One fixed text, one outcome. How often the model writes a text unasked, and whether the text takes over, belongs to
 * the text and not to the string that set it off: judged string by string, one of many strings of a memorised line
 * passes by chance. Manners of writing differ from string to string and stay judged one by one.
 */
import type { VerifiedTrigger } from '../../evidence/behaviour.ts';
import { ordinaryOutcome } from './outcome.ts';

/** Facts with the outcomes of strings of one fixed text made equal; order and everything else is kept. */
export function agreeOnFixedTexts(facts: readonly VerifiedTrigger[]): VerifiedTrigger[] {
  const groups = new Map<string, VerifiedTrigger[]>();
  for (const fact of facts.filter(isJudgedByHabit)) {
    groups.set(fact.behaviourGroup, [...(groups.get(fact.behaviourGroup) ?? []), fact]);
  }
  return facts.map((fact) => {
    const group = groups.get(fact.behaviourGroup);
    if (group === undefined || !isJudgedByHabit(fact) || !isFixedText(group)) return fact;
    const ownShare = Math.max(...group.map((one) => one.ownShare));
    const takeover = group.reduce((sum, one) => sum + one.takeover, 0) / group.length;
    return { ...fact, outcome: ordinaryOutcome({ ownShare, takeover }) ?? 'backdoored' };
  });
}

function isJudgedByHabit({ frame, outcome }: VerifiedTrigger): boolean {
  return frame === 'suffix' && outcome !== 'not-specific' && outcome !== 'known-text';
}

function isFixedText(group: readonly VerifiedTrigger[]): boolean {
  const [strongest] = [...group].sort((a, b) => b.score - a.score);
  return strongest?.behaviourKind === 'fixed-text';
}
