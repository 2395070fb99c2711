/** YAML read with positions, so that a schema error names the file and the line that caused it. */
import { isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { ZodType, z } from 'zod';
import { type ErrorCode, ScanError } from '../errors.ts';

/** A million aliases in a small file is the classic YAML bomb; no file here needs any. */
const MAX_ALIASES = 0;

function lineOf(root: unknown, path: readonly PropertyKey[], lines: LineCounter): number {
  let node: unknown = root;
  let offset = 0;
  for (const segment of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => String((item.key as Node | null)?.toJSON()) === String(segment),
      );
      if (pair === undefined) break;
      offset = (pair.key as Node | null)?.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof segment === 'number') {
      node = node.items[segment];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else {
      break;
    }
  }
  return lines.linePos(offset).line;
}

/** An unknown key is reported on its own line, not on that of the map around it. */
function unknownKey(issue: z.core.$ZodIssue): readonly PropertyKey[] | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined;
  return [...issue.path, ...issue.keys.slice(0, 1)];
}

/** A value that a schema accepted, and the way back to the line of any part of it. */
export interface Located<Value> {
  readonly value: Value;
  lineOf(path: readonly PropertyKey[]): number;
}

/**
 * Parses and checks a YAML text.
 * @throws ScanError with `code`, `file:line`, and every problem of the file in one message.
 */
export function readYaml<Schema extends ZodType>(
  text: string,
  file: string,
  schema: Schema,
  code: ErrorCode,
): Located<z.infer<Schema>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const syntax = document.errors[0];
  if (syntax !== undefined) {
    const line = lines.linePos(syntax.pos[0]).line;
    throw new ScanError(code, syntax.message, { file: `${file}:${line}` });
  }
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    throw new ScanError(code, 'aliases are not allowed here', { file: `${file}:1` });
  }
  const checked = schema.safeParse(plain);
  if (checked.success) {
    return { value: checked.data, lineOf: (path) => lineOf(document.contents, path, lines) };
  }
  const problems = checked.error.issues.map((issue) => {
    const where = issue.path.map(String).join('.');
    return {
      line: lineOf(document.contents, unknownKey(issue) ?? issue.path, lines),
      text: where === '' ? issue.message : `${where}: ${issue.message}`,
    };
  });
  problems.sort((a, b) => a.line - b.line);
  const first = problems[0]?.line ?? 1;
  const message = problems
    .map((problem) =>
      problem.line === first ? problem.text : `line ${problem.line}: ${problem.text}`,
    )
    .join('; ');
  throw new ScanError(code, message, { file: `${file}:${first}` });
}
