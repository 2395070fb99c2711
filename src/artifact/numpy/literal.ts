/** The Python literals that a .npy header may hold: text, integers, True, False, None, tuples, lists, dicts. No names, no calls. */
import { ScanError } from '../../errors.ts';

export type PythonLiteral =
  | null
  | boolean
  | number
  | string
  | readonly PythonLiteral[]
  | PythonDict;
export interface PythonDict {
  readonly entries: readonly (readonly [key: PythonLiteral, value: PythonLiteral])[];
}

const MAX_DEPTH = 16;

/** @throws ScanError `E_FORMAT` with an offset inside the text for anything else, `E_LIMIT` past a depth of 16 */
export function parsePythonLiteral(text: string): PythonLiteral {
  const parser = new LiteralParser(text);
  return parser.whole();
}

class LiteralParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): PythonLiteral {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#error('text after the literal');
    return value;
  }

  #error(problem: string): ScanError {
    return new ScanError('E_FORMAT', problem, { byteOffset: this.#at });
  }

  #space(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #value(depth: number): PythonLiteral {
    if (depth > MAX_DEPTH)
      throw new ScanError('E_LIMIT', `nested deeper than ${MAX_DEPTH}`, { byteOffset: this.#at });
    this.#space();
    const char = this.#text[this.#at];
    if (char === '{') return this.#dict(depth);
    if (char === '(' || char === '[') return this.#sequence(depth, char === '(' ? ')' : ']');
    const rest = this.#text.slice(this.#at, this.#at + 4096);
    const string = /^[bu]?(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)")/.exec(rest);
    if (string) {
      this.#at += string[0].length;
      return string[1] ?? string[2] ?? '';
    }
    const word = /^(?:True|False|None)\b/.exec(rest);
    if (word) {
      this.#at += word[0].length;
      return word[0] === 'None' ? null : word[0] === 'True';
    }
    // Python 2 wrote long integers with an L.
    const number = /^-?\d{1,20}L?(?![\w.])/.exec(rest);
    if (number) {
      this.#at += number[0].length;
      return Number(number[0].replace('L', ''));
    }
    throw this.#error(
      /^[A-Za-z_]/.test(rest) ? 'a name or call where only literals may stand' : 'not a literal',
    );
  }

  #sequence(depth: number, close: string): readonly PythonLiteral[] {
    const items: PythonLiteral[] = [];
    this.#at++;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] === close) break;
      items.push(this.#value(depth + 1));
      this.#space();
      if (this.#text[this.#at] === ',') this.#at++;
      else if (this.#text[this.#at] !== close) throw this.#error('no comma between items');
    }
    this.#at++;
    return items;
  }

  #dict(depth: number): PythonDict {
    const entries: (readonly [PythonLiteral, PythonLiteral])[] = [];
    this.#at++;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] === '}') break;
      const key = this.#value(depth + 1);
      this.#space();
      if (this.#text[this.#at] !== ':') throw this.#error('no colon after a key');
      this.#at++;
      entries.push([key, this.#value(depth + 1)]);
      this.#space();
      if (this.#text[this.#at] === ',') this.#at++;
      else if (this.#text[this.#at] !== '}') throw this.#error('no comma between entries');
    }
    this.#at++;
    return { entries };
  }
}
