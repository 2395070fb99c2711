/**
 * Collects what one pickle stream does and turns it into evidence: one fact a callable, not one a call.
 */
import type { PickleObserver, Site, WriteKind } from '../../../artifact/pickle/observer.ts';
import {
  escapeText,
  type GlobalValue,
  show,
  showCall,
  type Value,
} from '../../../artifact/pickle/values.ts';
import type {
  PickleAnomaly,
  PickleAnomalyKind,
  PickleCall,
  PickleWrite,
} from '../../../evidence/pickle.ts';
import type { FileReport, FileSubject } from '../detector.ts';
import { type NameLists, type NameRating, rateName } from './rating.ts';

export interface LedgerLists extends NameLists {
  /** Types that pickle fills with SETITEM. */
  readonly mappings: ReadonlySet<string>;
  /** Names in a code object that make it dangerous. */
  readonly codeNames: ReadonlySet<string>;
}

type Draft<T extends { occurrences: number }> = { -readonly [Key in keyof T]: T[Key] };

const MAX_FACTS = 200;
const NEWEST_CALLS = new Set(['REDUCE', 'NEWOBJ', 'NEWOBJ_EX', 'OBJ', 'INST', 'BUILD']);

export class Ledger implements Omit<PickleObserver, 'bytesConstant' | 'built' | 'tick'> {
  readonly #subject: FileSubject;
  readonly #lists: LedgerLists;
  readonly #calls = new Map<string, Draft<PickleCall>>();
  readonly #writes = new Map<string, Draft<PickleWrite>>();
  readonly #anomalies = new Map<string, Draft<PickleAnomaly>>();
  readonly #ratings = new Map<string, NameRating>();
  #callCount = 0;

  constructor(subject: FileSubject, lists: LedgerLists) {
    this.#subject = subject;
    this.#lists = lists;
  }

  /** Calls seen, allowed ones included. */
  get callCount(): number {
    return this.#callCount;
  }

  imported(value: GlobalValue, site: Site): void {
    this.#record(value.name, value.via, false, show(value), site);
  }

  called(callee: Value, args: readonly Value[], site: Site): void {
    this.#callCount++;
    const shown = (): string => showCall(callee, args);
    if (callee.kind === 'global') {
      this.#record(callee.name, callee.via, true, shown, site);
      if (this.#rate(callee.name, true) === 'code') this.#codeNames(callee, args, site);
      return;
    }
    // A constant's own method only computes another constant; what it builds is followed.
    if (callee.kind === 'attribute') {
      const owner = callee.of.kind === 'result' ? show(callee.of.callee, 80) : callee.of.kind;
      this.#record(`${owner}().${callee.name}`, [], true, shown, site, 'unknown');
      return;
    }
    if (callee.kind === 'result' && isApplier(callee)) return;
    this.#record('?', [], true, shown, site, 'unresolved');
  }

  written(kind: WriteKind, target: Value, key: Value, site: Site): void {
    const write = this.#writeKind(kind, target);
    if (write === undefined) return;
    const name = target.kind === 'global' ? target.name : show(target, 80);
    const known = this.#writes.get(`${write} ${name}`);
    if (known !== undefined) known.occurrences++;
    else if (this.#writes.size < MAX_FACTS) {
      this.#writes.set(`${write} ${name}`, {
        kind: 'pickle-write',
        ...this.#place(site),
        write,
        target: escapeText(name),
        opcode: site.opcode,
        shown: `${show(target, 80)} <- ${show(key, 110)}`,
        occurrences: 1,
      });
    }
  }

  anomaly(anomaly: PickleAnomalyKind, detail: string, site: Site): void {
    const known = this.#anomalies.get(anomaly);
    if (known !== undefined) {
      known.occurrences++;
      return;
    }
    this.#anomalies.set(anomaly, {
      kind: 'pickle-anomaly',
      ...this.#place(site),
      anomaly,
      detail,
      occurrences: 1,
    });
  }

  expansion(weight: number, site: Site): void {
    this.anomaly(
      'expansion',
      `${weight.toExponential(0)} objects when shared ones are copied`,
      site,
    );
  }

  emit(report: FileReport): void {
    for (const facts of [this.#calls, this.#writes, this.#anomalies]) {
      for (const fact of facts.values()) report.evidence(fact);
    }
  }

  #writeKind(kind: WriteKind, target: Value): PickleWrite['write'] | undefined {
    if (target.kind === 'global')
      return kind === 'attributes' ? 'attributes-of-import' : 'item-of-import';
    if (target.kind === 'result') {
      const type = target.callee.kind === 'global' ? target.callee.name : '?';
      const allowed = this.#rate(type, true) === 'allowed';
      // An unlisted type is already reported as an unknown callable.
      return kind === 'items' && allowed && !this.#lists.mappings.has(type)
        ? 'item-of-instance'
        : undefined;
    }
    return 'item-of-value';
  }

  /** A code object lists the names it uses: `system` or `exec` there says what the function is for. */
  #codeNames(callee: GlobalValue, args: readonly Value[], site: Site): void {
    for (const name of textsIn(args, 4)) {
      if (this.#lists.codeNames.has(name)) {
        const used = `${callee.name} with ${name}`;
        this.#record(used, [], true, `code that uses ${name}`, site, 'gadget');
      }
    }
  }

  #rate(name: string, called: boolean): NameRating {
    const key = called ? `${name}()` : name;
    const known = this.#ratings.get(key);
    if (known !== undefined) return known;
    const rating = rateName(name, called, this.#lists);
    if (this.#ratings.size < 100_000) this.#ratings.set(key, rating);
    return rating;
  }

  #record(
    name: string,
    via: readonly string[],
    called: boolean,
    shown: string | (() => string),
    site: Site,
    fixed?: CallableRatingOf,
  ): void {
    const rating = fixed ?? this.#rate(name, called);
    if (rating === 'allowed') return;
    const known = this.#calls.get(name);
    const text = (): string => (typeof shown === 'string' ? shown : shown());
    if (known === undefined) {
      if (this.#calls.size >= MAX_FACTS && rating !== 'gadget') return;
      this.#calls.set(name, {
        kind: 'pickle-call',
        ...this.#place(site),
        rating,
        callable: escapeText(name.slice(0, 200)),
        called,
        opcode: site.opcode,
        shown: text(),
        via,
        occurrences: 1,
      });
      return;
    }
    if (called && !known.called) {
      known.called = true;
      known.rating = rating;
      known.opcode = site.opcode;
      known.shown = text();
      known.location = this.#place(site).location;
    } else if (NEWEST_CALLS.has(site.opcode) || !known.called) known.occurrences++;
  }

  #place(site: Site) {
    const { path, member } = this.#subject;
    return {
      path,
      location: {
        ...(member !== undefined && { member }),
        byteOffset: site.byteOffset,
        byteLength: site.byteLength,
      },
    };
  }
}

type CallableRatingOf = PickleCall['rating'];

const APPLIERS = new Set([
  'operator.attrgetter',
  'operator.itemgetter',
  'operator.methodcaller',
  'functools.partial',
  'functools.partialmethod',
  'types.MethodType',
]);

function isApplier(value: Value & { kind: 'result' }): boolean {
  return value.callee.kind === 'global' && APPLIERS.has(value.callee.name);
}

function textsIn(values: readonly Value[], depth: number): string[] {
  if (depth === 0) return [];
  return values.flatMap((value) => {
    if (value.kind === 'text') return [value.text];
    if (value.kind === 'bytes') return [Buffer.from(value.bytes).toString('latin1')];
    if (value.kind === 'result') return textsIn(value.args, depth - 1);
    return 'items' in value ? textsIn(value.items, depth - 1) : [];
  });
}
