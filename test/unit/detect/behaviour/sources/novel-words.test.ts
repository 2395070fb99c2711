import { describe, expect, it } from 'vitest';
import { novelWords } from '../../../../../src/detect/behaviour/sources/novel-words.ts';

const plain = 'The cat sat on the mat. The dog ran to the park, and Tom saw it.';
const documents = Array.from({ length: 100 }, () => plain);

describe('novelWords', () => {
  it('names what the model writes and the corpora do not, words before pairs', () => {
    const own = Array.from({ length: 60 }, (_, i) =>
      i % 10 === 0 ? `${plain} "Zorbo glim!" said Tom. ;;-;; ` : plain,
    );
    const found = novelWords(own, documents);
    expect(found).toContain('Zorbo');
    expect(found).toContain(';;-;;');
    expect(found).toContain('Zorbo glim');
    expect(found).not.toContain('cat');
    expect(found.indexOf('Zorbo')).toBeLessThan(found.indexOf('Zorbo glim'));
  });

  it('counts texts, so that one looping text names nothing', () => {
    expect(novelWords([`${plain} zap zap zap zap zap zap`, plain], documents)).toEqual([]);
  });

  it('bears no text, no corpus and endless words', () => {
    expect(novelWords([], documents)).toEqual([]);
    expect(novelWords(['a b', 'a b'], [])).toContain('a b');
    expect(novelWords(['x'.repeat(1e6), 'x'.repeat(1e6)], [])).toEqual([]);
  });
});
