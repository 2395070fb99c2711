/**
 * Rates a dotted name against the rules' lists: exact names are allowed, listed gadgets are dangerous,
 * everything else is unknown. Default deny: being a child of something allowed allows nothing.
 */
import type { CallableRating } from '../../../evidence/pickle.ts';

export interface NameLists {
  /** Exact constructors that ordinary checkpoints call; `prefix.*` only for names that Python cannot import. */
  readonly allowed: readonly ReadonlySet<string>[];
  /** Exact names, `prefix.*` for whole modules, `*.part` for an attribute that is reached through anything. */
  readonly gadgets: ReadonlySet<string>;
  /** Packages whose plain functions have no business in a pickle; their classes stay unknown. */
  readonly functionsOf: ReadonlySet<string>;
  /** Callables that build functions and classes from bytes. */
  readonly codeBuilders: ReadonlySet<string>;
}

export type NameRating = CallableRating | 'allowed';

export function rateName(name: string, called: boolean, lists: NameLists): NameRating {
  if (lists.allowed.some((set) => set.has(name))) return 'allowed';
  if (lists.codeBuilders.has(name)) return 'code';
  const parts = name.split('.');
  // Names in `__torch__` are TorchScript types of the archive's own code, not Python imports.
  if (lists.allowed.some((set) => set.has(`${parts[0]}.*`))) return 'allowed';
  if (isGadget(name, parts, lists.gadgets)) return 'gadget';
  if (parts.includes('?')) return 'unresolved';
  if (called && lists.functionsOf.has(parts[0] as string) && isFunctionName(parts)) return 'gadget';
  return 'unknown';
}

function isGadget(name: string, parts: readonly string[], gadgets: ReadonlySet<string>): boolean {
  if (gadgets.has(name)) return true;
  for (let end = parts.length; end > 0; end--) {
    if (gadgets.has(`${parts.slice(0, end).join('.')}.*`)) return true;
  }
  for (let start = 1; start < parts.length; start++) {
    const part = parts[start] as string;
    // `package._os.system` is `os.system` under a private alias.
    const bare = part.replace(/^_+(?=[a-z])/, '');
    if (gadgets.has(`*.${part}`) || (gadgets.has(`*.${bare}`) && !part.startsWith('__')))
      return true;
    if (gadgets.has([bare, ...parts.slice(start + 1)].join('.')) && start < parts.length - 1)
      return true;
  }
  return false;
}

/** PEP 8: classes begin with a capital letter; functions do not. */
function isFunctionName(parts: readonly string[]): boolean {
  return /^_*[a-z]/.test(parts.at(-1) as string) && !parts.some((part) => /^_*[A-Z]/.test(part));
}
