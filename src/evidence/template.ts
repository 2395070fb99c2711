/** Facts about chat templates, read from the parsed tree; nothing was rendered. */
import type { EvidenceBase } from './evidence.ts';

interface TemplateBase<Kind extends string> extends EvidenceBase<Kind> {
  /** `default` or the name under which the file lists the template. */
  readonly template: string;
}

/** Names that reach from a template into the interpreter that renders it. */
export interface TemplateGadget extends TemplateBase<'template-gadget'> {
  /** After constant folding, so names built from pieces appear whole. */
  readonly names: readonly string[];
  readonly excerpt: string;
}

/** An attribute whose name is only known while rendering. */
export interface TemplateDynamicAttribute extends TemplateBase<'template-dynamic-attribute'> {
  readonly excerpt: string;
}

/**
 * `word`: a natural-language constant. `marker`: looks like a control token. `known`: a marker that well-known
 * models use. `symbol`: punctuation or space. `length`, `time`: an exact length of user text, the clock.
 */
export type TriggerKind = 'word' | 'marker' | 'known' | 'symbol' | 'length' | 'time';

/** What users wrote (or the clock) decides what the template writes. */
export interface TemplateCondition extends TemplateBase<'template-condition'> {
  readonly trigger: string;
  readonly triggerKind: TriggerKind;
  /** Operator, method, filter or test that compares. */
  readonly how: string;
  /** Literal text that is written only under the condition. */
  readonly emittedText: string;
  readonly emittedWords: number;
  readonly emittedUrls: number;
}

/** A constant in the user's text is replaced by another. */
export interface TemplateRewrite extends TemplateBase<'template-rewrite'> {
  readonly from: string;
  readonly to: string;
  /** Words and addresses in either text, control markers left out. */
  readonly words: number;
  readonly urls: number;
}

/** An address that the template writes into the prompt. */
export interface TemplateLink extends TemplateBase<'template-link'> {
  readonly url: string;
  readonly form: 'image' | 'html' | 'plain';
  /** Run-time text of the conversation is part of the address. */
  readonly carriesUserText: boolean;
}

export interface TemplateHiddenText extends TemplateBase<'template-hidden-text'> {
  readonly category: 'tag' | 'bidi' | 'zero-width' | 'blank';
  readonly count: number;
  /** `U+200B` form, in order of first appearance. */
  readonly codePoints: readonly string[];
  readonly excerpt: string;
}

/** A system turn with fixed text that the caller did not ask for. */
export interface TemplateSystemTurn extends TemplateBase<'template-system-turn'> {
  readonly text: string;
  readonly words: number;
  /** `start`: the usual default prompt; `loop` and `after`: between or behind the user's turns. */
  readonly place: 'start' | 'loop' | 'after';
}

/** Fixed text that orders the model to deceive, leak or run something. */
export interface TemplatePhrase extends TemplateBase<'template-phrase'> {
  readonly phrase: string;
  readonly excerpt: string;
}

export interface TemplateExpansion extends TemplateBase<'template-expansion'> {
  readonly count: number;
}

/** `include`, `import`, `from` or `extends`. */
export interface TemplateLoad extends TemplateBase<'template-load'> {
  readonly tag: string;
}

export interface TemplateUnparsed extends TemplateBase<'template-unparsed'> {
  readonly code: string;
  readonly problem: string;
  /** Interpreter names found in the raw text. */
  readonly names: readonly string[];
}

/** Two copies of one template say different things. */
export interface TemplateCopiesDiffer extends TemplateBase<'template-copies-differ'> {
  readonly otherPath: string;
  /** First text that only this copy writes. */
  readonly onlyHere: string;
  readonly onlyHereWords: number;
  readonly onlyThere: string;
  readonly onlyThereWords: number;
}

export type TemplateEvidence =
  | TemplateGadget
  | TemplateDynamicAttribute
  | TemplateCondition
  | TemplateRewrite
  | TemplateLink
  | TemplateHiddenText
  | TemplateSystemTurn
  | TemplatePhrase
  | TemplateExpansion
  | TemplateLoad
  | TemplateUnparsed
  | TemplateCopiesDiffer;
