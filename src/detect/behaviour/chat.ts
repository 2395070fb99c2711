/**
 * The turns of a chat as places for strings. The template is rendered with marks as contents, and what stands between
 * the marks is what a user's text, a system prompt, a tool's result and an answer stand in.
 */
import { serializeError, toScanError } from '../../errors.ts';
import type { Frame } from '../../evidence/behaviour.ts';
import { type ChatMessage, renderChat } from '../../model/chat/render.ts';
import { chatTemplateOf } from '../../model/chat/template-of.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';
import type { Place } from './place.ts';
import type { BehaviourProbe, TokenString } from './probe.ts';

export interface ChatPlaces {
  readonly places: readonly Place[];
  /** Token runs of the template itself: no surprise wherever the model writes them. */
  readonly templateText: readonly TokenString[];
}

export type ChatReading = ChatPlaces | { readonly refused: string } | undefined;

const SYSTEM = 'mSysNf';
const USER = 'mUserNf';
const ANSWER = 'mAnsNf';
const TOOL = 'mToolNf';
const FILLER_TOKENS = 12;
const STEPS = 32;
/** A turn's frame longer than this leaves too little room, and is a hidden prompt rather than a frame. */
const MAX_FRAME_TOKENS = 160;

const user = (content: string): ChatMessage => ({ role: 'user', content });
const CONVERSATIONS: readonly (readonly ChatMessage[])[] = [
  [user(USER)],
  [{ role: 'system', content: SYSTEM }, user(USER)],
  [user(USER), { role: 'assistant', content: ANSWER }, { role: 'tool', content: TOOL }],
];

/** @returns undefined for a model without a template */
export async function readChat(probe: BehaviourProbe): Promise<ChatReading> {
  const { folder, tokenizer } = probe.generator.model;
  const template = chatTemplateOf(folder);
  if (template === undefined) return undefined;
  try {
    const { source, variables } = template;
    const rendered = await renderChat({ source, variables, conversations: CONVERSATIONS });
    const [plain, withSystem, withTool] = rendered.map((one) => ('text' in one ? one.text : ''));
    const reader = new TurnReader(tokenizer, probe.start);
    const ask = reader.between(plain, [USER]);
    if (ask === undefined) return { refused: 'the template does not show what a user says' };
    const [before, after] = ask;
    const places = [turn('user', before, after)];
    // What the user asked stands for ordinary text here: the string is in the answer.
    places.push(turn('assistant', [...before, ...ordinary(probe), ...after], []));
    const system = reader.between(withSystem, [SYSTEM, USER]);
    if (system !== undefined) {
      const [first, between, last] = system;
      places.push({ ...turn('system', first, last), filler: 'after', between });
    }
    const tool = reader.between(withTool, [TOOL], ordinaryText(probe));
    if (tool !== undefined) places.push(turn('tool', tool[0], tool[1]));
    const short = places.filter((place) => frameLength(place) <= MAX_FRAME_TOKENS);
    return { places: short, templateText: reader.pieces };
  } catch (thrown) {
    const { code, message } = serializeError(toScanError(thrown));
    return { refused: `${code}: ${message}` };
  }
}

function turn(frame: Frame, before: TokenString, after: TokenString): Place {
  return {
    frame,
    before,
    filler: 'before',
    fillerTokens: FILLER_TOKENS,
    between: [],
    after,
    steps: STEPS,
  };
}

function frameLength({ before, between, after }: Place): number {
  return before.length + between.length + after.length;
}

function ordinary(probe: BehaviourProbe): TokenString {
  const [context] = probe.freshContexts(1, FILLER_TOKENS);
  return context?.slice(probe.start.length) ?? [];
}

function ordinaryText(probe: BehaviourProbe): string {
  return probe.text(ordinary(probe)).trim();
}

type Pieces<T extends readonly string[]> = [TokenString, ...{ [K in keyof T]: TokenString }];

class TurnReader {
  readonly pieces: TokenString[] = [];
  readonly #tokenizer: Tokenizer;
  readonly #start: TokenString;

  constructor(tokenizer: Tokenizer, start: TokenString) {
    this.#tokenizer = tokenizer;
    this.#start = start;
  }

  /** Tokens before the first mark, between marks and after the last; undefined when a mark is not there just once. */
  between<const T extends readonly string[]>(
    text: string | undefined,
    marks: T,
    ordinaryContent = '',
  ): Pieces<T> | undefined {
    let rest = text ?? '';
    const parts: string[] = [];
    for (const mark of marks) {
      const at = rest.indexOf(mark);
      if (at < 0 || rest.includes(mark, at + 1)) return undefined;
      parts.push(rest.slice(0, at));
      rest = rest.slice(at + mark.length);
    }
    parts.push(rest);
    const pieces = parts.map((part, i) => {
      const filled = part.replaceAll(USER, ordinaryContent).replaceAll(ANSWER, ordinaryContent);
      return i === 0 ? this.#opening(filled) : this.#inside(filled, i === parts.length - 1);
    });
    this.pieces.push(...pieces.filter(({ length }) => length > 0));
    return pieces as Pieces<T>;
  }

  /** A text's beginning has its start token once, whether or not the template writes it. */
  #opening(text: string): TokenString {
    const ids = this.#tokenizer.encode(withoutLastSpaces(text));
    return ids[0] === this.#start[0] ? ids : [...this.#start, ...ids];
  }

  #inside(text: string, isLast: boolean): TokenString {
    const ids = this.#tokenizer.encodeInside(withoutLastSpaces(text));
    // A template that adds nothing still has to hand over: the last piece may be empty, a border may not.
    return isLast || ids.length > 0 ? ids : this.#tokenizer.encodeInside('\n');
  }
}

/** The space belongs to the word that follows: tokenizers join them. */
function withoutLastSpaces(text: string): string {
  return text.replace(/ +$/, '');
}
