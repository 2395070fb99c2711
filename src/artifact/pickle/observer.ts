/** What the symbolic unpickler tells, and where. */
import type { PickleReader } from './reader.ts';
import type { BytesValue, ResultValue, Value } from './values.ts';

/** Where in the stream something happened. */
export interface Site {
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly opcode: string;
}

export type WriteKind = 'attributes' | 'items';

/** What the machine tells; called in stream order. */
export interface PickleObserver {
  imported(value: Value & { kind: 'global' }, site: Site): void;
  called(callee: Value, args: readonly Value[], site: Site): void;
  written(kind: WriteKind, target: Value, key: Value, site: Site): void;
  /** Keys and values, in turn, that are set on something other than a plain dictionary. */
  filled?(target: Value, items: readonly Value[]): void;
  anomaly(
    kind: 'persistent-id' | 'extension-code' | 'memo-missing',
    detail: string,
    site: Site,
  ): void;
  expansion(weight: number, site: Site): void;
  bytesConstant(value: BytesValue, site: Site): void;
  /** An instance got its state; may move `reader.offset` over raw data that a loader reads itself. */
  built(instance: ResultValue, state: Value, reader: PickleReader): void;
  /** A persistent id, which the loader resolves. */
  persistent?(id: Value, site: Site): void;
  /** Called every few thousand instructions. */
  tick(): void;
}
