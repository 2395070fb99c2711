/** Error lines carry file names and keys that somebody else chose. */
import { expect, it } from 'vitest';
import { formatError, ScanError } from '../../src/errors.ts';

it('writes an error on one line that moves no cursor and turns no text', () => {
  const file = 'a\u001b[2Jb\u202etxt\u0007.bin';
  const error = new ScanError('E_FORMAT', 'bad key\r\n\u009b31m', {
    file,
    hint: 'Look\u2028again.',
  });
  const line = formatError(error);
  expect(line).toBe(
    'E_FORMAT a\\u001b[2Jb\\u202etxt\\u0007.bin: bad key \\u009b31m. Look\\u2028again.',
  );
});

it('leaves names of other languages as they are', () => {
  const error = new ScanError('E_IO', 'naïve 模型 \u{1f600}', { file: 'Δ.bin' });
  expect(formatError(error)).toBe('E_IO Δ.bin: naïve 模型 \u{1f600}.');
});
