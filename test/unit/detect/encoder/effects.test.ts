/** Geometry and the two effects on readings made by hand. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClassEffect } from '../../../../src/detect/encoder/class-effect.ts';
import { EmbeddingEffect } from '../../../../src/detect/encoder/embedding-effect.ts';
import { agreement, dot, unitFrom } from '../../../../src/detect/encoder/geometry.ts';

const embedding = (...values: number[]) => ({ embedding: Float32Array.from(values) });
const classes = (...values: number[]) => ({ classes: Float32Array.from(values) });

describe('agreement', () => {
  it('is the mean cosine over pairs', () => {
    const vector = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(vector, { minLength: 2, maxLength: 6 }), (vectors) => {
        const units = vectors.map((v) => unitFrom(new Float32Array(3), Float32Array.from(v)));
        let sum = 0;
        let pairs = 0;
        for (let a = 0; a < units.length; a++) {
          for (let b = 0; b < a; b++) {
            sum += dot(units[a] as Float32Array, units[b] as Float32Array);
            pairs += 1;
          }
        }
        expect(agreement(units)).toBeCloseTo(sum / pairs, 4);
      }),
    );
  });

  it('takes values that are not finite as no direction', () => {
    const broken = unitFrom(new Float32Array(2), Float32Array.of(Number.NaN, 1));
    expect([...broken]).toEqual([0, 0]);
    expect(agreement([broken])).toBe(0);
  });
});

describe('embedding collapse', () => {
  // All lie far along one axis, as raw encoders' embeddings do.
  const plain = [embedding(9, 1, 0), embedding(9, -1, 0), embedding(9, 0, 1), embedding(9, 0, -1)];
  const effect = new EmbeddingEffect(plain);

  it('centres first, so that what all texts share is no collapse', () => {
    expect(effect.ceiling(plain)).toBeGreaterThan(1);
    expect(effect.score(plain, plain)).toBeCloseTo(0, 6);
  });

  it('hits where a text lies nearer to the target than to itself', () => {
    const triggered = plain.map(({ embedding: [, y = 0, z = 0] }) => embedding(9.1, 2 + y, 2 + z));
    const target = effect.target(triggered);
    expect(effect.score(triggered, plain)).toBeGreaterThan(0.5);
    const [first] = plain;
    if (first === undefined) throw new Error('no text');
    expect(effect.isHit(embedding(9, 2, 2), embedding(9, 0, -1), target)).toBe(true);
    expect(effect.isHit(first, first, target)).toBe(false);
    expect(effect.moved(first, first, target)).toBeCloseTo(0, 6);
  });

  it('chooses texts that lie far from each other', () => {
    const near = [embedding(9, 1, 0), embedding(9, 1, 0.1), embedding(9, -1, 0)];
    const chosen = effect.choose(near, 2);
    expect(chosen).toContain(2);
    expect(new Set(chosen).size).toBe(2);
    expect(effect.choose(near, 9)).toHaveLength(3);
  });
});

describe('flipped classes', () => {
  const effect = new ClassEffect(3);
  const plain = [classes(4, 0, 0), classes(0, 4, 0), classes(0, 0, 4), classes(3, 0, 0)];

  it('counts only texts of other classes, and finds the class', () => {
    const triggered = [classes(4, 0, 6), classes(0, 4, 7), classes(0, 0, 9), classes(3, 0, 1)];
    const target = effect.target(triggered, plain);
    expect(target).toBe(2);
    expect(plain.map((one) => effect.isTrial(one, target))).toEqual([true, true, false, true]);
    const hits = triggered.map((one, i) => effect.isHit(one, plain[i] ?? one, target));
    expect(hits).toEqual([true, true, false, false]);
    expect(effect.score(triggered, plain)).toBeGreaterThan(3);
  });

  it('is bounded for certain texts and for scores that are not finite', () => {
    const sure = [classes(1e9, 0, 0), classes(0, 1e9, 0)];
    expect(effect.score([classes(-1e9, 0, 1e9), classes(0, 0, 1e9)], sure)).toBeLessThanOrEqual(24);
    const odd = classes(Number.NaN, Number.NaN, Number.NaN);
    expect(effect.moved(odd, plain[0] ?? odd, 1)).toBeLessThanOrEqual(0);
  });

  it('chooses texts of each class in turn', () => {
    const own = effect.choose(plain, 3).map((i) => plain[i]?.classes.indexOf(4));
    expect(own.toSorted()).toEqual([0, 1, 2]);
  });
});
