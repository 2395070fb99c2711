import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../src/judge/evaluate.ts';
import { loadRules } from '../../../src/judge/load-rules.ts';
import { runFileStage } from '../../../src/scan/file-stage.ts';

/** Files as common frameworks write them; see the folder's note. */
const ROOT = resolve('test/fixtures/checkpoints');

describe('ordinary checkpoints', () => {
  it('give nothing above note and are covered whole', async () => {
    const target = { given: ROOT, root: ROOT, name: 'checkpoints', kind: 'folder' } as const;
    const { evidence, notCovered, errors } = await runFileStage(target);
    const rules = loadRules().map((rule) => ({ ...rule, enabled: true }));
    const loud = evaluate(evidence, rules).findings.filter(({ level }) => level !== 'note');
    expect(loud.map(({ path, ruleId, message }) => `${path} ${ruleId} ${message}`)).toEqual([]);
    expect(notCovered).toEqual([]);
    expect(errors).toEqual([]);
  });
});
