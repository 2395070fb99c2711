/**
 * Redaction: a report that can be shared. Recovered triggers (`triggers`) and what the model was given and said
 * (`prompts`) become salted hashes with lengths, so that equal texts stay recognisable within the report and nobody
 * can try a dictionary against them without the salt.
 */
import { createHmac } from 'node:crypto';
import type { BehaviourSample } from '../evidence/behaviour.ts';
import type { Evidence } from '../evidence/evidence.ts';
import type { Finding, Fingerprint, ScanResult, TargetResult } from '../finding/finding.ts';
import { calibratedSentence } from '../judge/apply-calibration.ts';
import type { Rule } from '../judge/rule.ts';
import { compileTemplate } from '../judge/template.ts';

export type Redaction = NonNullable<ScanResult['redaction']>;

/** Shorter secrets are part of ordinary words; free text that may hold them is rewritten from templates instead. */
const MIN_FREE_TEXT = 4;

interface Redactor {
  readonly triggers: boolean;
  readonly prompts: boolean;
  readonly all: boolean;
  hash(text: string): string;
}

function createRedactor(what: Redaction, salt: string): Redactor {
  return {
    triggers: what !== 'prompts',
    prompts: what !== 'triggers',
    all: what === 'all',
    hash: (text) => {
      const digest = createHmac('sha256', salt).update(text).digest('hex').slice(0, 12);
      return `[redacted ${digest}, ${text.length} characters]`;
    },
  };
}

function redactSample(sample: BehaviourSample, redactor: Redactor): BehaviourSample {
  const { triggeredTokens: _tokens, ...rest } = sample;
  return {
    ...rest,
    context: redactor.hash(sample.context),
    triggered: redactor.hash(sample.triggered),
    untriggered: redactor.hash(sample.untriggered),
  };
}

/** Fields that hold a recovered trigger or a part of it, in facts of any kind. */
const TRIGGER_FIELDS = [
  'triggerText',
  'minimalText',
  'otherTriggers',
  'firingPattern',
  'firingPatterns',
];
/** Fields that hold what the model said. */
const PROMPT_FIELDS = ['behaviourText'];
/** What the model writes around a trigger holds both. */
const MIXED_FIELDS = ['extendedText'];

function hashed(value: unknown, redactor: Redactor): unknown {
  if (typeof value === 'string') return redactor.hash(value);
  return Array.isArray(value) ? value.map((item) => hashed(item, redactor)) : value;
}

function secretFields(
  held: Readonly<Record<string, unknown>>,
  { triggers, prompts }: Redactor,
): readonly string[] {
  const mixed = MIXED_FIELDS.filter((field) => triggers || held[field] !== held['triggerText']);
  return [...(triggers ? TRIGGER_FIELDS : []), ...(prompts ? PROMPT_FIELDS : []), ...mixed];
}

/** By field name, so that a new kind of fact with the usual names is covered; the same object when nothing applies. */
function redactFact(fact: Evidence, redactor: Redactor): Evidence {
  const { triggers, all } = redactor;
  const held: Readonly<Record<string, unknown>> = { ...fact };
  const named = [...secretFields(held, redactor), ...(all ? ['tokenText'] : [])].filter(
    (field) => held[field] !== undefined,
  );
  const changed: Record<string, unknown> = Object.fromEntries(
    named.map((field) => [field, hashed(held[field], redactor)]),
  );
  if (triggers && Array.isArray(held['triggerTokenIds'])) changed['triggerTokenIds'] = [];
  if (all && held['tokenText'] !== undefined) changed['tokenId'] = -1;
  // What the model said can hold the trigger itself, so samples go in either case.
  if (fact.kind === 'verified-trigger') {
    changed['samples'] = (fact.samples ?? []).map((sample) => redactSample(sample, redactor));
  }
  return Object.keys(changed).length === 0 ? fact : ({ ...fact, ...changed } as Evidence);
}

/** Secrets in any other string of the result, longest first so that parts do not hide wholes. */
function secretsOf(result: ScanResult, redactor: Redactor): readonly string[] {
  const secrets = new Set<string>();
  const facts = result.targets.flatMap(({ findings }) => findings.flatMap((f) => f.evidence));
  for (const fact of facts) {
    const held: Readonly<Record<string, unknown>> = { ...fact };
    for (const field of secretFields(held, redactor)) {
      for (const text of [held[field]].flat()) {
        if (typeof text === 'string') secrets.add(text.trim());
      }
    }
  }
  return [...secrets]
    .filter((text) => text.length >= MIN_FREE_TEXT)
    .toSorted((a, b) => b.length - a.length || (a < b ? -1 : 1));
}

type Scrub = (text: string) => string;

function createScrub(secrets: readonly string[], redactor: Redactor): Scrub {
  return (found) => {
    let clean = found;
    for (const secret of secrets) {
      if (clean.includes(secret)) clean = clean.replaceAll(secret, redactor.hash(secret));
    }
    return clean;
  };
}

/** Strings of a fact, but not what names it: a trigger may be an ordinary word such as "error". */
function scrubFact(fact: Evidence, scrub: Scrub): Evidence {
  const walk = (inner: unknown): unknown => {
    if (typeof inner === 'string') return scrub(inner);
    if (Array.isArray(inner)) return inner.map(walk);
    if (typeof inner !== 'object' || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, item]) => [key, walk(item)]));
  };
  const { kind, path } = fact;
  return { ...(walk(fact) as Evidence), kind, path } as Evidence;
}

function scrubTarget(target: TargetResult, scrub: Scrub): TargetResult {
  return {
    ...target,
    findings: target.findings.map((finding) => ({
      ...finding,
      message: scrub(finding.message),
      evidence: finding.evidence.map((fact) =>
        fact.kind === 'verified-trigger' ? fact : scrubFact(fact, scrub),
      ),
    })),
    coverage: {
      ...target.coverage,
      notCovered: target.coverage.notCovered.map(({ what, why }) => ({
        what: scrub(what),
        why: scrub(why),
      })),
    },
    errors: target.errors.map((error) => ({ ...error, message: scrub(error.message) })),
  };
}

function redactFinding(finding: Finding, rules: readonly Rule[], redactor: Redactor): Finding {
  const evidence = finding.evidence.map((fact) => redactFact(fact, redactor));
  const changed = evidence.some((fact, index) => fact !== finding.evidence[index]);
  if (!changed) return finding;
  const rule = rules.find((candidate) => candidate.id === finding.ruleId);
  const count = finding.evidenceTotal ?? evidence.length;
  const group = { count, others: count - 1 };
  const message =
    rule === undefined
      ? `${finding.ruleName} (its message is redacted)`
      : compileTemplate(rule.message, rule.folder)({ ...evidence[0], group });
  const { trigger, behaviour } = finding;
  return {
    ...finding,
    message: message + calibratedSentence(finding),
    evidence,
    // A fingerprint is an unsalted hash of its subject: with a guess at hand it would confirm a trigger.
    ...(redactor.triggers && {
      fingerprint: redactor.hash(finding.fingerprint).slice(10, 22) as Fingerprint,
    }),
    ...(trigger !== undefined && {
      trigger: redactor.triggers
        ? {
            ...trigger,
            text: redactor.hash(trigger.text),
            minimalText: redactor.hash(trigger.minimalText),
            tokenIds: [],
          }
        : trigger,
    }),
    ...(behaviour !== undefined && {
      behaviour: redactor.prompts
        ? { ...behaviour, text: redactor.hash(behaviour.text) }
        : behaviour,
    }),
  };
}

/** A copy of the result without what `what` names. The same salt gives the same hashes. */
export function redact(
  result: ScanResult,
  what: Redaction,
  salt: string,
  rules: readonly Rule[],
): ScanResult {
  const redactor = createRedactor(what, salt);
  const scrub = createScrub(secretsOf(result, redactor), redactor);
  const targets = result.targets.map((target) => {
    const findings = target.findings.map((finding) => redactFinding(finding, rules, redactor));
    return scrubTarget({ ...target, findings }, scrub);
  });
  const { commandLine } = result;
  return {
    ...result,
    ...(commandLine !== undefined && {
      commandLine: redactArguments(commandLine, redactor, scrub),
    }),
    redaction: what,
    targets,
  };
}

/** Strings that the user suspects are triggers too, found or not. */
function redactArguments(
  commandLine: readonly string[],
  { triggers, hash }: Redactor,
  scrub: Scrub,
): readonly string[] {
  return commandLine.map((argument, index) =>
    triggers && commandLine[index - 1] === '--suspect' ? hash(argument) : scrub(argument),
  );
}
