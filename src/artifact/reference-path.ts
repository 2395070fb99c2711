/** Judges a file name that a model gives its loader, by text alone: does it stay inside the model's folder? */

export type ReferenceProblem = 'climbing' | 'absolute' | 'url' | 'odd' | 'inside';

/**
 * Both separators count on every system, since a folder made on one is loaded on another.
 * `odd` is a name that no writer gives: empty, with control characters, or a device name.
 */
export function judgeReference(target: string): ReferenceProblem {
  if (/^[a-z][a-z0-9+.-]{1,20}:\/\//i.test(target)) return 'url';
  if (/^(?:[/\\~]|[a-z]:)/i.test(target)) return 'absolute';
  const parts = target.split(/[/\\]/);
  let depth = 0;
  for (const part of parts) {
    if (part === '..') depth--;
    else if (part !== '.' && part !== '') depth++;
    if (depth < 0) return 'climbing';
  }
  if (parts.includes('..')) return 'climbing';
  if (target.trim() === '' || depth === 0 || /[\x00-\x1f\x7f]/.test(target)) return 'odd';
  return 'inside';
}
