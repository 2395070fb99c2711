/** Stages 3 to 5 inside the turns of a chat template: the same search and the same tests, at places of the template. */

import type { VerifiedTrigger } from '../../evidence/behaviour.ts';
import type { NotCovered } from '../../evidence/evidence.ts';
import { chatTemplateOf } from '../../model/chat/template-of.ts';
import { readChat } from './chat.ts';
import { explain } from './explain.ts';
import type { BehaviourGroups } from './groups.ts';
import type { BehaviourProbe, TokenString } from './probe.ts';
import { ordinaryReplies, searchPlace, turnStrings } from './sources/turns.ts';

const VERIFIED_PER_PLACE = 2;
const MANNER_SHARE = 0.1;
const WHAT = 'behaviour inside the turns of the chat template';

export interface ChatInput {
  readonly path: string;
  readonly lines: readonly string[];
  /** Best strings of the search without a frame. */
  readonly raw: readonly TokenString[];
  readonly behaviours: BehaviourGroups;
}

export interface ChatResult {
  readonly evidence: readonly VerifiedTrigger[];
  readonly notCovered: readonly NotCovered[];
}

export async function scanChat(probe: BehaviourProbe, input: ChatInput): Promise<ChatResult> {
  const chat = await readChat(probe);
  if (chat === undefined) return { evidence: [], notCovered: [] };
  if ('refused' in chat) {
    return { evidence: [], notCovered: [{ what: WHAT, why: chat.refused }] };
  }
  const [user] = chat.places;
  const replies = user === undefined ? [] : await ordinaryReplies(probe, user);
  // What the model says in any turn is its manner; a text that leaks in a few replies is not.
  const manner = Math.max(2, Math.ceil(MANNER_SHARE * replies.length));
  const inside = probe.explaining(chat.templateText).explaining(replies, manner);
  const evidence: VerifiedTrigger[] = [];
  for (const place of chat.places) {
    const strings = await turnStrings(inside, place, input);
    for (const one of await searchPlace(inside, place, strings, VERIFIED_PER_PLACE)) {
      const fact = await explain(inside, one, place.frame, { ...input, replies });
      if (fact !== undefined) evidence.push(fact);
    }
  }
  return { evidence, notCovered: [] };
}

/** What a scan says that does not look into the turns. */
export function turnsNotTried(probe: BehaviourProbe): NotCovered[] {
  if (chatTemplateOf(probe.generator.model.folder) === undefined) return [];
  return [{ what: WHAT, why: 'this profile tries strings in plain text only' }];
}
