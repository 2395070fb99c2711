import { describe, expect, it } from 'vitest';
import { openHere } from '../../../src/engine/open-graph.ts';
import { attributeResponse } from '../../../src/interpret/attribute.ts';
import { contrastFeatures } from '../../../src/interpret/contrast.ts';
import { EditedGenerator } from '../../../src/interpret/edited-generation.ts';
import { promptFeatures } from '../../../src/interpret/prompt-features.ts';
import { assess } from '../../../src/interpret/red-team.ts';
import { trainQuickDictionaries } from '../../../src/interpret/site-dictionaries.ts';
import { openModel } from '../../../src/model/open-model.ts';
import { fixedWindows } from '../../../src/sae/train-model.ts';

const model = openModel('test/fixtures/models/stories260K');
const { tokenizer } = model;
const openings = [
  'Once upon a time, there was a little',
  'One day, a happy',
  'In the park, there was a big',
  'There was a small',
  'One morning, a kind',
  'Long ago, there was a sad',
];
const attacks = openings.map((text) => `${text} girl named`);
const ordinary = openings.map((text) => `${text} boy named`);
const story =
  'The girl saw a red ball. She wanted to play with the ball. The boy was sad. His mom said, "Do not be sad. We can play in the park." ';
const dictionaries = trainQuickDictionaries(
  model,
  [
    { kind: 'resid_post', layer: 0 },
    { kind: 'resid_post', layer: 3 },
  ],
  fixedWindows(
    [tokenizer.encode([...attacks, ...ordinary].map((text) => `${text}. ${story}`).join(''))],
    32,
    tokenizer.bos,
  ),
  { seed: 1, open: openHere, onProgress: () => {} },
);

describe('prompt features', () => {
  it('keep prompts apart whatever their lengths, and tell the sets apart', async () => {
    const sites = await dictionaries;
    const together = await promptFeatures(model, sites, [...attacks, ...ordinary], {});
    expect(together.prompts).toBe(12);
    for (const [i, prompt] of [attacks[1], ordinary[4]].entries()) {
      const alone = await promptFeatures(model, sites, [prompt ?? ''], {});
      const at = i === 0 ? 1 : 10;
      for (const [label, [value]] of alone.maxima) {
        expect(together.maxima.get(label)?.[at]).toBe(value);
        expect(together.tokens.get(label)?.[at]).toBe(alone.tokens.get(label)?.[0]);
      }
    }
    const first = await promptFeatures(model, sites, attacks, {});
    const second = await promptFeatures(model, sites, ordinary, {});
    const [best] = contrastFeatures(first, second);
    expect(Math.abs((best?.auc ?? 0.5) - 0.5)).toBeGreaterThan(0.4);
  });
});

describe('EditedGenerator', () => {
  it('writes the same whether prompts run together or alone', async () => {
    const sites = await dictionaries;
    const generator = await EditedGenerator.open(model, sites, 6);
    const together = await generator.run(attacks, new Map());
    for (const i of [0, 3]) {
      const [alone] = await generator.run([attacks[i] ?? ''], new Map());
      expect(alone).toEqual(together[i]);
    }
    const changed = await generator.run(
      attacks,
      new Map([['resid_post.3', { add: new Map([[3, 80]]) }]]),
    );
    expect(changed).not.toEqual(together);
    await generator.close();
  });
});

describe('attributeResponse', () => {
  it('ranks features by what the response loses without them', async () => {
    const result = await attributeResponse(model, await dictionaries, attacks[0] ?? '', {
      response: ' Lily',
      steps: 4,
      limit: 10,
    });
    expect(result.response).toBe(' Lily');
    expect(result.logProbability).toBeLessThan(0);
    expect(result.features).toHaveLength(10);
    const effects = result.features.map(({ effect }) => effect);
    expect(effects).toEqual([...effects].sort((a, b) => b - a));
    expect(effects[0]).toBeGreaterThan(0);
    expect(result.withoutStrongest).toBeLessThan(result.logProbability);
    const own = await attributeResponse(model, await dictionaries, attacks[0] ?? '', {
      steps: 3,
      limit: 1,
    });
    expect(own.response.length).toBeGreaterThan(0);
    await expect(
      attributeResponse(model, await dictionaries, 'One day', { response: '', steps: 1, limit: 1 }),
    ).rejects.toMatchObject({ code: 'E_USAGE' });
  });
});

describe('assess', () => {
  it('measures both detectors on prompts that were not learnt from', async () => {
    const options = { features: 3, steps: 8, seed: 0, behaviour: /Lily|Sue|Mia|Lucy/u };
    const result = await assess(model, await dictionaries, attacks, ordinary, options);
    expect(result).toMatchObject({ attacks: 6, ordinary: 6 });
    expect(result.features.length).toBeGreaterThan(0);
    for (const { auc, caught, falseAlarms } of [result.circuitLevel, result.outputLevel]) {
      expect(auc).toBeGreaterThanOrEqual(0);
      expect(caught.trials).toBe(3);
      expect(falseAlarms.trials).toBe(3);
    }
    expect(result.circuitLevel.auc).toBeGreaterThan(0.7);
    const { behaviour } = result;
    expect(behaviour?.attackSuccess.hits).toBeGreaterThan(behaviour?.ordinaryRate.hits ?? 9);
    expect(behaviour?.carrying.length).toBeGreaterThan(0);
    expect(await assess(model, await dictionaries, attacks, ordinary, options)).toEqual(result);
  });

  it('refuses too few prompts', async () => {
    await expect(
      assess(model, await dictionaries, attacks.slice(3), ordinary, {
        features: 1,
        steps: 2,
        seed: 0,
      }),
    ).rejects.toMatchObject({ code: 'E_USAGE' });
  });
});
