/** Every known attack on a structured format is an error with its own rule; a flood is one finding, not 100,000. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemorySource } from '../../../../src/artifact/byte-source.ts';
import { inspect } from '../../../../src/detect/files/inspect.ts';
import { evaluate } from '../../../../src/judge/evaluate.ts';
import { listLookup, loadLists } from '../../../../src/judge/lists.ts';
import { loadRules } from '../../../../src/judge/load-rules.ts';
import { inspectFile } from '../../../../src/scan/inspect-file.ts';
import { FORMAT_BYPASSES } from '../../../cases/formats/bypass-classes.ts';
import { safetensorsFlood } from '../../../cases/formats/safetensors.ts';

const rules = loadRules();
const list = listLookup(loadLists());

describe('known attacks', () => {
  it.each(FORMAT_BYPASSES.map((item) => [`${item.attack}: ${item.reference}`, item] as const))(
    '%s',
    (_name, { rule, file }) => {
      const path = `rules/${rule}/cases/${file}`;
      expect(existsSync(path)).toBe(true);
      const { findings } = evaluate(inspectFile(path, path, { list }).evidence, rules);
      expect(
        findings.filter(({ level }) => level === 'error').map(({ ruleName }) => ruleName),
      ).toContain(rule);
    },
  );

  it('a header of 100,001 tensors is one error', () => {
    const { evidence } = inspect(new MemorySource(safetensorsFlood(), 'f'), 'm/f.safetensors', {
      list,
    });
    const { findings } = evaluate(evidence, rules);
    expect(findings.map(({ ruleName, level }) => [ruleName, level])).toEqual([
      ['tampered-structure', 'error'],
    ]);
  });
});
