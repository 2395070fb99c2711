/** Says that some tensors of a model take no part in any run. */
import type { NotCovered } from '../evidence/evidence.ts';

const MOST_NAMES = 8;
const MOST_CHARACTERS = 100;

/** @param names tensors that the architecture does not use, sorted */
export function unreadTensorGaps(names: readonly string[]): NotCovered[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, MOST_NAMES).map((name) => name.slice(0, MOST_CHARACTERS));
  const rest = names.length - shown.length;
  const list = `${shown.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
  return [
    {
      what: `behaviour of ${names.length} tensors that the architecture does not use: ${list}`,
      why: 'other code may use them, and no run here shows what they do',
    },
  ];
}
