// The zoo's sets must stay apart, or thresholds set on one would be reported on the same attacks.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const effect = {
  trigger: z.string().optional(),
  parts: z.array(z.string()).optional(),
  target: z.string().optional(),
  targets: z.array(z.string()).optional(),
};
const recipe = z.object({
  name: z.string(),
  label: z.enum(['clean', 'backdoored']),
  seed: z.number().int(),
  family: z.string().optional(),
  behaviour: z.string().optional(),
  second: z.object(effect).optional(),
  ...effect,
});
type Recipe = z.infer<typeof recipe>;

function plan(set: string): Recipe[] {
  const file = new URL(`../../../bench/zoo/plans/${set}.json`, import.meta.url);
  return z.array(recipe).parse(JSON.parse(readFileSync(file, 'utf8')));
}

function attackTexts(recipes: readonly Recipe[]): string[] {
  return recipes.flatMap((one) =>
    [one, one.second ?? {}].flatMap((e) =>
      [e.trigger, e.target, ...(e.targets ?? []), ...(e.parts ?? [])]
        .filter((text) => text !== undefined)
        .map((text) => text.trim() || text),
    ),
  );
}

const sets = ['tune', 'heldout', 'gpt2'];

describe('zoo plans', () => {
  it.each(sets)('%s gives each recipe its own name and seed', (set) => {
    const recipes = plan(set);
    expect(new Set(recipes.map((r) => r.name)).size).toBe(recipes.length);
    expect(new Set(recipes.map((r) => r.seed)).size).toBe(recipes.length);
  });

  it.each(sets)('%s tells trigger and effect of every backdoored recipe', (set) => {
    for (const one of plan(set).filter((r) => r.label === 'backdoored')) {
      expect(one.trigger, one.name).toBeTruthy();
      expect(one.family, one.name).toBeTruthy();
      expect(one.target ?? one.targets ?? one.behaviour, one.name).toBeTruthy();
    }
  });

  it('shares no trigger and no target between sets', () => {
    const all = sets.flatMap((set) => [...new Set(attackTexts(plan(set)))]);
    expect(all.filter((text, i) => all.indexOf(text) !== i)).toEqual([]);
  });

  it('has no family of triggers in both the set for thresholds and the set for reports', () => {
    const tuned = new Set(plan('tune').map((r) => r.family));
    const shared = plan('heldout').filter((r) => r.family !== undefined && tuned.has(r.family));
    expect(shared.map((r) => r.name)).toEqual([]);
  });

  it.each(['tune', 'heldout'])('%s has at least as many clean models as backdoored', (set) => {
    const recipes = plan(set);
    const clean = recipes.filter((r) => r.label === 'clean').length;
    expect(clean).toBeGreaterThanOrEqual(recipes.length - clean);
  });
});
