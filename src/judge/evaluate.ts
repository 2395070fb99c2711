/** Evidence and rules to findings: pure, deterministic, and in an order that does not depend on the input's. */
import type { SerializedError } from '../errors.ts';
import type { VerifiedTrigger } from '../evidence/behaviour.ts';
import type { EncoderEvidence } from '../evidence/encoder.ts';
import type { Evidence } from '../evidence/evidence.ts';
import type { Finding, Level, RuleId } from '../finding/finding.ts';
import { type Condition, compileCondition, firstLine } from './condition.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { Rule } from './rule.ts';
import { compileTemplate, fieldAt, type Template } from './template.ts';

/** A finding keeps at most this many facts; `evidenceTotal` says how many there were. */
const MAX_EVIDENCE = 100;

const LEVEL_ORDER: Readonly<Record<Level, number>> = { error: 0, warning: 1, note: 2 };

export interface Evaluation {
  readonly findings: readonly Finding[];
  /** Rules that could not be applied to some evidence; a rule that fails is never silence. */
  readonly errors: readonly SerializedError[];
}

interface CompiledRule {
  readonly rule: Rule;
  readonly holds: Condition;
  readonly message: Template;
}

/** Code-unit order: the same on every machine and locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function compareFindings(a: Finding, b: Finding): number {
  return (
    LEVEL_ORDER[a.level] - LEVEL_ORDER[b.level] ||
    compareText(a.ruleId, b.ruleId) ||
    compareText(a.path, b.path) ||
    compareText(a.location?.member ?? '', b.location?.member ?? '') ||
    (a.location?.byteOffset ?? -1) - (b.location?.byteOffset ?? -1) ||
    (b.trigger?.rate.low ?? 0) - (a.trigger?.rate.low ?? 0) ||
    compareText(a.message, b.message) ||
    compareText(a.fingerprint, b.fingerprint)
  );
}

/** JSON with sorted keys: equal facts get equal text whatever order their fields were written in. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => compareText(a, b)))
      : inner,
  );
}

function compile(rules: readonly Rule[]): ReadonlyMap<string, readonly CompiledRule[]> {
  const byKind = new Map<string, CompiledRule[]>();
  for (const rule of rules) {
    if (!rule.enabled) continue;
    const entry = {
      rule,
      holds: compileCondition(rule.when, rule.folder),
      message: compileTemplate(rule.message, rule.folder),
    };
    const list = byKind.get(rule.evidence);
    if (list === undefined) byKind.set(rule.evidence, [entry]);
    else list.push(entry);
  }
  return byKind;
}

/** Sorted findings of `evidence` under `rules`. The same facts in any order give the same bytes. */
export function evaluate(evidence: readonly Evidence[], rules: readonly Rule[]): Evaluation {
  const byKind = compile(rules);
  const groups = new Map<string, { readonly compiled: CompiledRule; readonly facts: Evidence[] }>();
  const errors = new Map<string, SerializedError>();
  const ordered = evidence
    .map((fact) => ({ fact, key: canonicalJson(fact) }))
    .toSorted((a, b) => compareText(a.key, b.key));
  for (const { fact } of ordered) {
    for (const compiled of byKind.get(fact.kind) ?? []) {
      const { rule, holds } = compiled;
      try {
        if (!holds({ e: fact, t: rule.thresholds })) continue;
      } catch (error) {
        errors.set(`${rule.id}\n${fact.path}`, {
          code: 'E_RULE',
          message: `${rule.id} could not be applied to ${fact.kind}: ${firstLine(error)}`,
          file: fact.path,
        });
        continue;
      }
      const fields = rule.groupBy ?? ['path', ...rule.subject];
      const key = JSON.stringify([rule.id, ...fields.map((field) => fieldAt(fact, field) ?? null)]);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { compiled, facts: [fact] });
      else group.facts.push(fact);
    }
  }
  const drafts = [...groups.values()].map(({ compiled, facts }) => draft(compiled, facts));
  return { findings: identify(drafts), errors: [...errors.values()] };
}

interface Draft {
  readonly finding: Omit<Finding, 'fingerprint'>;
  readonly subject: readonly unknown[];
}

function draft({ rule, message }: CompiledRule, facts: readonly Evidence[]): Draft {
  const ranked = rule.rankBy === undefined ? facts : rankBy(facts, rule.rankBy);
  const speaker = ranked[0] as Evidence;
  const finding = {
    ruleId: rule.id as RuleId,
    ruleName: rule.name,
    level: rule.level,
    message: message({ ...speaker, group: { count: facts.length, others: facts.length - 1 } }),
    path: speaker.path,
    ...(speaker.location !== undefined && { location: speaker.location }),
    ...(speaker.kind === 'verified-trigger' && describeTrigger(speaker)),
    ...((speaker.kind === 'embedding-collapse' || speaker.kind === 'class-flip') &&
      describeEncoderTrigger(speaker)),
    evidence: ranked.slice(0, MAX_EVIDENCE),
    ...(ranked.length > MAX_EVIDENCE && { evidenceTotal: ranked.length }),
    taxa: rule.taxa,
  };
  return { finding, subject: rule.subject.map((field) => fieldAt(speaker, field)) };
}

function rankBy(facts: readonly Evidence[], field: string): readonly Evidence[] {
  const rank = (fact: Evidence): number => {
    const value = fieldAt(fact, field);
    if (typeof value === 'boolean') return value ? 1 : 0;
    return typeof value === 'number' && !Number.isNaN(value) ? value : Number.NEGATIVE_INFINITY;
  };
  return facts.toSorted((a, b) => (rank(a) === rank(b) ? 0 : rank(b) - rank(a)));
}

function describeTrigger(fact: VerifiedTrigger): Pick<Finding, 'trigger' | 'behaviour'> {
  return {
    trigger: {
      text: fact.triggerText,
      tokenIds: fact.triggerTokenIds,
      minimalText: fact.minimalText,
      rate: fact.rate,
      controlRate: fact.controlRate,
      contexts: fact.rate.trials,
    },
    behaviour: {
      kind: fact.behaviourKind,
      text: fact.behaviourText,
      similarity: fact.similarity,
    },
  };
}

function describeEncoderTrigger(fact: EncoderEvidence): Pick<Finding, 'trigger' | 'behaviour'> {
  const { triggerText, triggerTokenIds, minimalText, rate, controlRate } = fact;
  const counts = { rate, controlRate, contexts: rate.trials };
  const behaviour =
    fact.kind === 'class-flip'
      ? { kind: fact.kind, text: fact.className, similarity: 1 }
      : { kind: fact.kind, text: 'one embedding', similarity: fact.agreement };
  return {
    trigger: { text: triggerText, tokenIds: triggerTokenIds, minimalText, ...counts },
    behaviour,
  };
}

/** Sorts, then gives fingerprints; findings that would share one are numbered in their order. */
function identify(drafts: readonly Draft[]): readonly Finding[] {
  const blank = '' as Finding['fingerprint'];
  const ordered = drafts
    .map((entry) => ({ ...entry, sortable: { ...entry.finding, fingerprint: blank } }))
    .toSorted((a, b) => compareFindings(a.sortable, b.sortable));
  const seen = new Map<string, number>();
  return ordered.map(({ finding, subject }) => {
    const base = fingerprintOf(finding.ruleId, finding.path, subject);
    const occurrence = seen.get(base) ?? 0;
    seen.set(base, occurrence + 1);
    const fingerprint =
      occurrence === 0 ? base : fingerprintOf(finding.ruleId, finding.path, subject, occurrence);
    return { ...finding, fingerprint };
  });
}
