/**
 * A shallow reading of Python source: comments and strings blanked out, imports and their aliases resolved, and
 * every dotted name that is called or taken. Enough to see `o.system(...)` after `import os as o`; no execution,
 * no full grammar.
 */

export interface PythonName {
  /** With the alias resolved: `os.system`. */
  readonly name: string;
  readonly called: boolean;
  /** UTF-16 offset of the name. */
  readonly offset: number;
}

const TOKEN =
  /#[^\n]*|(?:[rbufRBUF]{0,2})("""|''')[\s\S]*?(?:\1|$)|(?:[rbufRBUF]{0,2})(?:"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?)/g;

/** Same length and lines, with comments and the insides of strings replaced by spaces. */
export function blankPython(source: string): string {
  return source.replace(TOKEN, (text) => text.replace(/[^\n]/g, ' '));
}

const IMPORT = /(?:^|[;:])[ \t]*import[ \t]+([^\n;]+)/gm;
const FROM_IMPORT =
  /(?:^|[;:])[ \t]*from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]*(\([^)]{0,4000}\)|[^\n;]+)/gm;
const DOTTED = /(?<![\w.\])])([A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*){0,8})(\s*\()?/g;

/** Words that stand before a bracket without being called. */
const KEYWORDS: ReadonlySet<string> = new Set(
  'and as assert async await del elif else except for from if import in is lambda not or raise return while with yield'.split(
    ' ',
  ),
);

export interface PythonReading {
  readonly names: readonly PythonName[];
  /** Modules of the same package: `.layers` gives `layers`. */
  readonly relativeImports: readonly string[];
}

export function readPython(source: string): PythonReading {
  const code = blankPython(source);
  const aliases = new Map<string, string>();
  const relativeImports: string[] = [];
  const names: PythonName[] = [];
  for (const match of code.matchAll(IMPORT)) {
    for (const part of (match[1] ?? '').split(',')) {
      const [name = '', alias] = part.trim().split(/\s+as\s+/);
      if (alias !== undefined) aliases.set(alias.trim(), name);
    }
  }
  for (const match of code.matchAll(FROM_IMPORT)) {
    const module = match[1] ?? '';
    const list = (match[2] ?? '').replace(/[()\\]/g, ' ');
    if (module.startsWith('.')) {
      const base = module.replace(/^\.+/, '');
      relativeImports.push(...(base === '' ? list.split(',').map((n) => n.trim()) : [base]));
      continue;
    }
    for (const part of list.split(',')) {
      const [name = '', alias] = part.trim().split(/\s+as\s+/);
      if (name !== '' && name !== '*') aliases.set((alias ?? name).trim(), `${module}.${name}`);
    }
  }
  for (const match of code.matchAll(DOTTED)) {
    const dotted = (match[1] ?? '').replace(/\s+/g, '');
    const head = dotted.split('.', 1)[0] ?? '';
    if (KEYWORDS.has(dotted)) continue;
    const resolved = aliases.get(head);
    const name = resolved === undefined ? dotted : resolved + dotted.slice(head.length);
    names.push({ name, called: match[2] !== undefined, offset: match.index });
  }
  return { names, relativeImports };
}
