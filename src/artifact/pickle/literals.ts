/** Operands of pickle opcodes as text and numbers, read as Python reads them. */
export function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** Python's `int()` takes spaces, underscores, a sign and leading zeros; equal numbers must be one key. */
export function memoKey(line: Uint8Array): number | string {
  const raw = ascii(line).trim().replaceAll('_', '');
  return /^[+-]?\d{1,15}$/.test(raw) ? Number(raw) : raw;
}

export function littleEndianLong(bytes: Uint8Array): number {
  if (bytes.byteLength === 0) return 0;
  if (bytes.byteLength > 64) return Number.POSITIVE_INFINITY;
  let value = 0;
  for (let i = bytes.byteLength - 1; i >= 0; i--) value = value * 256 + (bytes[i] as number);
  const negative = ((bytes.at(-1) as number) & 0x80) !== 0;
  return negative ? value - 256 ** bytes.byteLength : value;
}

/** Protocol 0 strings are Python literals: `'it\'s'`. */
export function unquote(literal: string): string {
  const inner = literal.trim().replace(/^['"]|['"]$/g, '');
  return inner.replaceAll(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)/g, (whole, code: string) => {
    if (code.startsWith('x') && code.length === 3)
      return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 0xff);
    const plain: Record<string, string> = { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'" };
    return plain[code] ?? (code === '"' ? '"' : whole);
  });
}

export function unescapeUnicode(raw: string): string {
  return raw.replaceAll(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short, long) => {
    const code = Number.parseInt(short ?? long, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
