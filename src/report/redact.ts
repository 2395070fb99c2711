/**
 * Redaction: a report that can be shared. Recovered triggers (`triggers`) and what the model was given and said
 * (`prompts`) become salted hashes with lengths, so that equal texts stay recognisable within the report and nobody
 * can try a dictionary against them without the salt.
 */
import { createHmac } from 'node:crypto';
import type { BehaviourSample, VerifiedTrigger } from '../evidence/behaviour.ts';
import type { EncoderEvidence } from '../evidence/encoder.ts';
import type { Evidence } from '../evidence/evidence.ts';
import type { CausalFeature } from '../evidence/feature.ts';
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

function redactTrigger(fact: VerifiedTrigger, redactor: Redactor): VerifiedTrigger {
  const { triggers, prompts, hash } = redactor;
  const samples = fact.samples ?? [];
  return {
    ...fact,
    ...(triggers && {
      triggerText: hash(fact.triggerText),
      minimalText: hash(fact.minimalText),
      triggerTokenIds: [],
      ...(fact.extendedText !== undefined && { extendedText: hash(fact.extendedText) }),
    }),
    ...(prompts && { behaviourText: hash(fact.behaviourText) }),
    // What the model said can hold the trigger itself, so samples go in either case.
    samples: samples.map((sample) => redactSample(sample, redactor)),
  };
}

function redactEncoderTrigger(
  fact: EncoderEvidence,
  { triggers, hash }: Redactor,
): EncoderEvidence {
  if (!triggers) return fact;
  return {
    ...fact,
    triggerText: hash(fact.triggerText),
    minimalText: hash(fact.minimalText),
    triggerTokenIds: [],
    ...(fact.extendedText !== undefined && { extendedText: hash(fact.extendedText) }),
  };
}

function redactFeature(fact: CausalFeature, redactor: Redactor): CausalFeature {
  if (!redactor.triggers) return fact;
  return {
    ...fact,
    triggerText: redactor.hash(fact.triggerText),
    firingPattern: redactor.hash(fact.firingPattern),
  };
}

function redactFact(fact: Evidence, redactor: Redactor): Evidence {
  if (fact.kind === 'verified-trigger') return redactTrigger(fact, redactor);
  if (fact.kind === 'embedding-collapse' || fact.kind === 'class-flip') {
    return redactEncoderTrigger(fact, redactor);
  }
  if (fact.kind === 'causal-feature') return redactFeature(fact, redactor);
  if (redactor.all && fact.kind === 'embedding-outlier') {
    return { ...fact, tokenText: redactor.hash(fact.tokenText), tokenId: -1 };
  }
  return fact;
}

/** Secrets in any other string of the result, longest first so that parts do not hide wholes. */
function secretsOf(result: ScanResult, redactor: Redactor): readonly string[] {
  const secrets = new Set<string>();
  for (const fact of result.targets.flatMap(({ findings }) =>
    findings.flatMap((f) => f.evidence),
  )) {
    const encoder = fact.kind === 'embedding-collapse' || fact.kind === 'class-flip';
    if (fact.kind !== 'verified-trigger' && !encoder) continue;
    if (redactor.triggers) {
      for (const text of [fact.triggerText, fact.minimalText, fact.extendedText ?? '']) {
        secrets.add(text.trim());
      }
    }
    if (redactor.prompts && fact.kind === 'verified-trigger')
      secrets.add(fact.behaviourText.trim());
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
  return { ...result, redaction: what, targets };
}
