/**
 * Decides whether bytes are a pickle by walking its opcodes, since a pickle has no reliable magic number:
 * protocol 0 and 1 streams start with any opcode, and a PROTO byte pair also occurs by chance.
 */

import type { ByteSource } from '../byte-source.ts';
import { MissingRange } from '../byte-source.ts';
import { PickleReader } from './reader.ts';

export type PickleLikelihood = 'no' | 'data' | 'imports' | 'calls';

const MAX_INSTRUCTIONS = 2000;
// Extension codes do not count as imports here: they occur by chance in raw numbers.
const IMPORTING = new Set(['GLOBAL', 'INST', 'STACK_GLOBAL']);
const CALLING = new Set(['REDUCE', 'INST', 'OBJ', 'NEWOBJ', 'NEWOBJ_EX', 'BUILD', 'BINPERSID']);
/** Operations on two values: with fewer on the stack every unpickler stops there. */
const NEEDS_TWO = new Set(['REDUCE', 'NEWOBJ', 'BUILD']);
const TEXTUAL = new Set(['STRING', 'UNICODE', 'BINSTRING', 'SHORT_BINSTRING']);
const NAME = /^[A-Za-z_][\w.]*$/;

/**
 * How pickle-like the bytes at `offset` are. `calls` and `imports` hold for streams that break later;
 * `data` only for streams that reach STOP.
 */
export function pickleLikelihood(source: ByteSource, offset = 0): PickleLikelihood {
  const reader = new PickleReader(source, offset);
  let imports = false;
  let depth = 0;
  let strings = 0;
  let proto = false;
  let marks = 0;
  /** Of a stream that ends before STOP: two lines of ordinary text read as an import. */
  const broken = (): PickleLikelihood =>
    imports && (proto || !isText(source, offset)) ? 'imports' : 'no';
  try {
    for (let count = 0; count < MAX_INSTRUCTIONS; count++) {
      const { opcode, number, bytes, second } = reader.next();
      if (opcode.name === 'STOP') {
        if (depth < 1) return 'no';
        if (imports) return 'imports';
        return proto || count >= 3 ? 'data' : 'no';
      }
      // A zip file begins with the opcode of a text id; real ids of protocol 0 are printable.
      if (opcode.name === 'PERSID' && !/^[\x20-\x7e]*$/.test(latin1(bytes))) return 'no';
      if (opcode.name === 'PROTO') {
        if (number > 5) return 'no';
        proto = true;
        continue;
      }
      if (opcode.name === 'FRAME' || opcode.name.endsWith('PUT') || opcode.name === 'MEMOIZE')
        continue;
      if (opcode.name === 'MARK') marks++;
      const needsMark = opcode.name === 'INST' || opcode.name === 'OBJ';
      if (needsMark ? marks === 0 : NEEDS_TWO.has(opcode.name) && depth < 2) return broken();
      if (IMPORTING.has(opcode.name)) {
        if (opcode.argument === 'two-lines') {
          if (!NAME.test(latin1(bytes)) || !NAME.test(latin1(second)))
            return imports ? 'imports' : 'no';
        } else if (opcode.name === 'STACK_GLOBAL' && strings < 2) return 'no';
        imports = true;
      } else if (imports && CALLING.has(opcode.name)) return 'calls';
      if (/^text/.test(opcode.argument) || TEXTUAL.has(opcode.name)) strings++;
      else if (strings > 0 && opcode.name.endsWith('GET')) strings++;
      if (opcode.name === 'INST') return 'calls';
      depth++;
    }
    return imports ? 'imports' : 'data';
  } catch (error) {
    if (error instanceof MissingRange) throw error;
    return broken();
  }
}

/** The first lines hold printable characters only. */
function isText(source: ByteSource, offset: number): boolean {
  const head = source.read(offset, Math.min(512, source.size - offset));
  return head.every(
    (byte) => (byte >= 0x20 && byte !== 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09,
  );
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
