import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blankPython, readPython } from '../../../src/artifact/python-source.ts';

function called(source: string): string[] {
  return readPython(source)
    .names.filter((name) => name.called)
    .map((name) => name.name);
}

describe('readPython', () => {
  it('resolves imports, aliases and parenthesised lists', () => {
    const source =
      'import os as o, sys\nfrom subprocess import (run as go,\n  Popen)\nfrom .part import x\nfrom . import y\nif x: import shutil as s; s.move(1)\no.system(1); go(2); Popen (3); sys . exit()\n';
    expect(called(source)).toEqual([
      'shutil.move',
      'os.system',
      'subprocess.run',
      'subprocess.Popen',
      'sys.exit',
    ]);
    expect(readPython(source).relativeImports).toEqual(['part', 'y']);
  });

  it('does not read comments, strings and docstrings', () => {
    const source = `"""eval(1)"""\n# exec(2)\nx = 'eval(3)' + r"exec(4)" + b'''eval(5)\n'''\nprint(x)\n`;
    expect(called(source)).toEqual(['print']);
  });

  it('tells a method from a function of the same name', () => {
    expect(called('self.model.eval()\nmodel().eval()\nx[0].exec()\n')).toEqual([
      'self.model.eval',
      'model',
    ]);
  });

  it('keeps length and lines when it blanks', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('"', "'", '\\', '\n', 'a', '#', '(') }),
        (source) => {
          const blank = blankPython(source);
          expect(blank.length).toBe(source.length);
          expect(blank.split('\n').length).toBe(source.split('\n').length);
        },
      ),
    );
  });
});
