/**
 * Collects facts that repeat: one fact with a count for each group, in the order of first sight, and a limit
 * on groups, so that a file with 100,000 broken entries gives a handful of facts.
 */
import type { Location } from '../../evidence/evidence.ts';
import type { FileEvidence } from '../../evidence/file.ts';
import type { FileReport, FileSubject } from './detector.ts';

const MAX_GROUPS = 64;
const MAX_TEXT = 300;

type Counted = Extract<FileEvidence, { readonly occurrences: number }>;
type WithoutEnvelope<Fact> = Fact extends unknown
  ? Omit<Fact, 'path' | 'location' | 'occurrences'>
  : never;
export type CountedFact = WithoutEnvelope<Counted>;

interface Group {
  readonly fact: CountedFact;
  readonly location: Location;
  occurrences: number;
}

export class Tally {
  readonly #subject: FileSubject;
  readonly #groups = new Map<string, Group>();
  #dropped = 0;

  constructor(subject: FileSubject) {
    this.#subject = subject;
  }

  /** @param group facts with an equal group are one; `fact.kind` is part of it. */
  add(group: string, fact: CountedFact, location: Location = {}): void {
    const id = `${fact.kind}\0${group}`;
    const known = this.#groups.get(id);
    if (known) known.occurrences++;
    else if (this.#groups.size >= MAX_GROUPS) this.#dropped++;
    else this.#groups.set(id, { fact, location, occurrences: 1 });
  }

  /** Call in `finally`, so that what was seen before an error is kept. */
  flush(report: FileReport): void {
    for (const { fact, location, occurrences } of this.#groups.values()) {
      report.evidence({
        ...fact,
        path: this.#subject.path,
        location: locationIn(this.#subject, location),
        occurrences,
      } as Counted);
    }
    if (this.#dropped > 0) {
      report.notCovered({
        what: whatOf(this.#subject),
        why: `E_LIMIT: ${this.#dropped} more facts of the same kinds are not listed`,
      });
    }
    this.#groups.clear();
    this.#dropped = 0;
  }
}

/** The subject's member joined with a place inside it. */
export function locationIn(subject: FileSubject, location: Location): Location {
  return { ...location, ...(subject.member !== undefined && { member: subject.member }) };
}

/** How coverage names a subject. */
export function whatOf(subject: FileSubject): string {
  return subject.member === undefined ? subject.path : `${subject.path}!/${subject.member}`;
}

/** Hostile text for a fact: one line, bounded. */
export function shown(text: string, maxLength = MAX_TEXT): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength)}…`;
}
