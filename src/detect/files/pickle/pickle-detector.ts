/** Runs the symbolic machine over every pickle in a stream and reports what loading it would do. */
import { type ByteSource, MemorySource, SliceSource } from '../../../artifact/byte-source.ts';
import { PickleMachine } from '../../../artifact/pickle/machine.ts';
import type { PickleObserver, Site } from '../../../artifact/pickle/observer.ts';
import { pickleLikelihood } from '../../../artifact/pickle/probe.ts';
import { PickleReader } from '../../../artifact/pickle/reader.ts';
import type { BytesValue, Value } from '../../../artifact/pickle/values.ts';
import { ScanError } from '../../../errors.ts';
import type { FileDetector, FileReport, FileSubject } from '../detector.ts';
import { joblibArray } from './joblib.ts';
import { Ledger, type LedgerLists } from './ledger.ts';

const MAX_PICKLES = 10_000;
/** magic number, protocol, system information, object, storage keys. */
const TORCH_LEGACY_PICKLES = 5;
const MAX_NESTED_TEXT_BYTES = 64 * 2 ** 20;
const MIN_NESTED_BYTES = 8;

const ALLOWED = [
  'standard-library',
  'numpy',
  'scipy',
  'sklearn',
  'pandas',
  'boosting',
  'torch',
  'transformers',
  'ultralytics',
  'persistence',
];

export const pickleDetector: FileDetector = {
  name: 'pickle',
  accepts: ({ format }) => format === 'pickle',
  inspect(subject, report) {
    const lists = ledgerLists(subject);
    const stream = new PickleStream(subject, report, lists);
    stream.readAll();
  },
};

export function ledgerLists({ list }: Pick<FileSubject, 'list'>): LedgerLists {
  return {
    allowed: ALLOWED.map((name) => list(`pickle-unknown-callable/allowed-${name}`)),
    gadgets: list('pickle-known-gadget/gadgets'),
    functionsOf: list('pickle-known-gadget/functions-of'),
    codeBuilders: list('pickle-carries-code/code-builders'),
    codeNames: list('pickle-carries-code/dangerous-names'),
    mappings: list('pickle-writes-outside/mapping-types'),
  };
}

class PickleStream {
  readonly #subject: FileSubject;
  readonly #report: FileReport;
  readonly #lists: LedgerLists;
  readonly #nestedAt = new Set<number>();

  constructor(subject: FileSubject, report: FileReport, lists: LedgerLists) {
    this.#subject = subject;
    this.#report = report;
    this.#lists = lists;
  }

  readAll(): void {
    const { source } = this.#subject;
    let offset = 0;
    let pickles = 0;
    const ledger = new Ledger(this.#subject, this.#lists);
    try {
      while (offset < source.size && pickles < MAX_PICKLES) {
        if (pickles > 0 && pickleLikelihood(source, offset) === 'no') break;
        offset = this.#readOne(offset, ledger);
        pickles++;
      }
      if (offset < source.size && pickles < TORCH_LEGACY_PICKLES && !isZeros(source, offset)) {
        ledger.anomaly('trailing-data', `${source.size - offset} bytes after the last pickle`, {
          byteOffset: offset,
          byteLength: source.size - offset,
          opcode: 'STOP',
        });
      }
    } catch (error) {
      if (error instanceof ScanError && error.code !== 'E_TIMEOUT' && ledger.callCount > 0) {
        ledger.anomaly(
          'broken-after-calls',
          `${ledger.callCount} calls ran before: ${error.message}`,
          {
            byteOffset: error.byteOffset ?? offset,
            byteLength: 1,
            opcode: '',
          },
        );
      }
      throw error;
    } finally {
      ledger.emit(this.#report);
    }
  }

  /** Gives the offset after STOP. */
  #readOne(start: number, ledger: Ledger): number {
    const reader = new PickleReader(this.#subject.source, start);
    new PickleMachine(reader, this.#observer(ledger)).run();
    return reader.offset;
  }

  #observer(ledger: Ledger): PickleObserver {
    const { budget, source } = this.#subject;
    return {
      imported: (value, site) => ledger.imported(value, site),
      called: (callee, args, site) => {
        for (const arg of args) this.#computedBytes(arg);
        ledger.called(callee, args, site);
      },
      written: (kind, target, key, site) => ledger.written(kind, target, key, site),
      anomaly: (kind, detail, site) => ledger.anomaly(kind, detail, site),
      expansion: (weight, site) => ledger.expansion(weight, site),
      bytesConstant: (value, site) => this.#constantBytes(value, ledger, site),
      tick: () => budget.check(),
      built: (instance, state, reader) => {
        const array = joblibArray(instance, state, reader);
        if (array === undefined) return;
        this.#plainReading(reader.offset);
        if (array.kind === 'pickled') {
          reader.offset = this.#readOne(reader.offset, ledger);
          return;
        }
        if (array.byteLength > source.size - reader.offset) {
          throw new ScanError('E_TRUNCATED', 'an array reaches past the end of the file', {
            byteOffset: reader.offset,
          });
        }
        reader.offset += array.byteLength;
      },
    };
  }

  /** `pickle.load` on a joblib file would run the array bytes as opcodes; hidden calls there count too. */
  #plainReading(offset: number): void {
    const { source } = this.#subject;
    if (pickleLikelihood(source, offset) !== 'calls') return;
    const ledger = new Ledger(this.#subject, this.#lists);
    const observer = { ...this.#observer(ledger), built: () => undefined };
    try {
      new PickleMachine(new PickleReader(source, offset), observer).run();
    } catch (error) {
      if (!(error instanceof ScanError)) throw error;
    }
    ledger.emit(this.#report);
  }

  #constantBytes(value: BytesValue, ledger: Ledger, site: Site): void {
    if (value.length < MIN_NESTED_BYTES || value.dataOffset === undefined) return;
    if (this.#nestedAt.has(value.dataOffset)) return;
    const name = `bytes@${value.dataOffset}`;
    const inner = new SliceSource(this.#subject.source, value.dataOffset, value.length, name);
    if (!mayBePickle(inner)) return;
    this.#nestedAt.add(value.dataOffset);
    ledger.anomaly('nested-pickle', `${value.length} bytes that are a pickle`, site);
    this.#report.nested(name, inner);
  }

  /** Bytes that the pickle computes, as protocols 0 to 2 do for every bytes object. */
  #computedBytes(value: Value): void {
    if (value.kind !== 'bytes' || value.dataOffset !== undefined) return;
    if (value.length < MIN_NESTED_BYTES) return;
    const { source, budget } = this.#subject;
    let bytes = value.bytes;
    let key = -1;
    if (value.latin1Range !== undefined) {
      const { offset, length } = value.latin1Range;
      key = offset;
      if (this.#nestedAt.has(key)) return;
      if (!mayBePickle(new MemorySource(bytes, 'bytes'))) return;
      if (length > MAX_NESTED_TEXT_BYTES) {
        throw new ScanError('E_LIMIT', 'a nested pickle in text form is too long', {
          byteOffset: offset,
        });
      }
      budget.spend(length);
      bytes = Buffer.from(Buffer.from(source.read(offset, length)).toString('utf8'), 'latin1');
    }
    const inner = new MemorySource(bytes, 'computed bytes');
    if (!mayBePickle(inner)) return;
    if (key >= 0) this.#nestedAt.add(key);
    this.#report.nested('computed-bytes', inner);
  }
}

function mayBePickle(source: ByteSource): boolean {
  const first = source.read(0, 1)[0];
  const likelihood = pickleLikelihood(source);
  return (
    likelihood === 'calls' || likelihood === 'imports' || (first === 0x80 && likelihood !== 'no')
  );
}

function isZeros(source: ByteSource, offset: number): boolean {
  const size = Math.min(4096, source.size - offset);
  return source.read(offset, size).every((byte) => byte === 0);
}
