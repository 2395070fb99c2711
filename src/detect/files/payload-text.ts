/**
 * Recognises text that has no business in a header: code, shell commands, markup, template escapes, system paths,
 * and base64 of any of them. Patterns are narrow, because headers also hold licences, prompts and thumbnails.
 */
import type { MetadataPayload } from '../../evidence/format.ts';

export interface PayloadMatch {
  readonly payload: MetadataPayload['payload'];
  /** At most 120 characters around the match, on one line. */
  readonly excerpt: string;
}

const MAX_TEXT = 1_000_000;
const MAX_DECODED = 64 * 1024;

const PATTERNS: readonly (readonly [MetadataPayload['payload'], RegExp])[] = [
  [
    'python-code',
    /__import__\s{0,8}\(|\b(?:os\.(?:system|popen|exec[lv]p?e?|spawn[lv]p?e?|startfile)|subprocess\.(?:Popen|run|call|check_output|check_call|getoutput)|builtins\.(?:exec|eval)|importlib\.import_module|pty\.spawn|socket\.socket|marshal\.loads|c?[pP]ickle\.loads?|ctypes\.CDLL|shutil\.rmtree)\s{0,8}\(|(?<![\w.])(?:exec|eval)\s{0,8}\(\s{0,8}(?:compile|base64|bytes|open|__|zlib|codecs|requests|urllib|chr|["'])/,
  ],
  [
    'shell-command',
    /\b(?:curl|wget)\b[^\n|;]{0,300}\|\s{0,8}(?:sudo\s)?(?:ba|z|da)?sh\b|\/dev\/tcp\/[\w.]{1,200}\/\d|\bpowershell(?:\.exe)?\s[^\n]{0,80}-e(?:nc|ncodedcommand)?\s|\brm\s+-rf\s+[/~*]|\bnc\s+-e\s/i,
  ],
  [
    'markup',
    /<script[\s>/]|<iframe[\s>]|<!ENTITY\s|\bjavascript:\s{0,8}\w{1,40}\s{0,4}[(=.]|<(?:img|svg|body|video)\b[^<>]{0,200}\bon(?:error|load)\s{0,4}=/i,
  ],
  [
    'template-escape',
    /\{[{%][^{}]{0,500}__(?:class|globals|mro|subclasses|builtins|init|import|base|bases)__/,
  ],
  [
    'system-path',
    /(?:\.\.[/\\]){2,16}(?:etc|root|home|proc|var|usr|windows|users)\b|(?:file:\/\/)?(?<![\w.])\/(?:etc\/(?:passwd|shadow|cron)|root\/\.ssh|proc\/self)\b|\.ssh\/(?:id_|authorized_keys)/i,
  ],
];

const ENCODED = /[A-Za-z0-9+/]{24,}={0,2}/g;
/** Names that a pickle or script must spell out to do harm. */
const ENCODED_HARM =
  /__import__|\b(?:os|posix|nt|subprocess)\s{0,4}[.\n\x8c\x94\x93]?.{0,6}\b(?:system|popen|Popen|check_output)\b|builtins.{0,6}\b(?:exec|eval)\b|\/bin\/(?:ba)?sh\b/s;

/** The first payload in a text. */
export function findPayload(text: string): PayloadMatch | undefined {
  const bounded = text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text;
  for (const [payload, pattern] of PATTERNS) {
    const match = pattern.exec(bounded);
    if (match) return { payload, excerpt: around(bounded, match.index, match[0].length) };
  }
  return findEncoded(bounded);
}

function findEncoded(text: string): PayloadMatch | undefined {
  let left = MAX_DECODED;
  for (const match of text.matchAll(ENCODED)) {
    if (left <= 0) return undefined;
    const encoded = match[0].slice(0, left);
    left -= encoded.length;
    const decoded = Buffer.from(encoded, 'base64').toString('latin1');
    const harmful =
      ENCODED_HARM.test(decoded) || PATTERNS.some(([, pattern]) => pattern.test(decoded));
    if (harmful) {
      return { payload: 'encoded-code', excerpt: around(text, match.index, match[0].length) };
    }
  }
  return undefined;
}

function around(text: string, index: number, length: number): string {
  const start = Math.max(0, index - 20);
  const end = Math.min(text.length, Math.max(index + length, index + 60), start + 120);
  return text.slice(start, end).replaceAll(/[\x00-\x1f\x7f]+/g, ' ');
}
