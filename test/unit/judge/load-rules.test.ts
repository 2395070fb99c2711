import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScanError } from '../../../src/errors.ts';
import { BUILTIN_RULES, loadRules } from '../../../src/judge/load-rules.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'narrowfire-rules-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

const text = readFileSync(join(BUILTIN_RULES, 'malformed-file/rule.yaml'), 'utf8')
  .replace('NF1000', 'ACME0001')
  .replace('name: malformed-file', 'name: own-rule');

function write(yaml: string, name = 'own-rule'): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'rule.yaml'), yaml);
}

function problem(): ScanError {
  try {
    loadRules({ folders: [folder] });
  } catch (error) {
    if (error instanceof ScanError) return error;
  }
  throw new Error('no ScanError');
}

function lineOf(yaml: string, start: string): number {
  return yaml.split('\n').findIndex((line) => line.startsWith(start)) + 1;
}

describe('loadRules', () => {
  it('adds user rules after the shipped ones', () => {
    write(text);
    const rule = loadRules({ folders: [folder] }).find(({ id }) => id === 'ACME0001');
    expect(rule?.pack).toBe(folder);
  });

  it.each([
    ['level: warning', 'level: fatal', 'level:', 'level'],
    ['when: "', "when: 'e. && ' # ", 'when:', 'when'],
    ['when: "', "when: '1 + 1' # ", 'when:', 'int'],
    ['{format}', '{format|shout}', 'message:', 'shout'],
    ['{format}', '{format', 'message:', '{'],
    ['since: 0.1.0', 'since: soon', 'since:', 'version'],
    ['since: 0.1.0', 'since: 0.1.0\nextra: 1', 'extra:', 'extra'],
  ])('names file and line when %j becomes %j', (from, to, start, word) => {
    const broken = text.replace(from, to);
    write(broken);
    const error = problem();
    expect(error.code).toBe('E_RULE');
    expect(error.message).toContain(word);
    expect(error.file).toMatch(new RegExp(`own-rule/rule\\.yaml:${lineOf(broken, start)}$`));
  });

  it('refuses an id that is taken', () => {
    write(text.replace('ACME0001', 'NF1000'));
    expect(problem().message).toContain('malformed-file');
  });

  it('refuses a folder with another name than the rule', () => {
    write(text, 'another');
    expect(problem().message).toContain('another');
  });

  it('refuses YAML aliases, so that a small file cannot become a large one', () => {
    write(`a: &a [x, x]\nb: [*a, *a]\n${text}`);
    expect(problem().message).toContain('aliases');
  });

  it('refuses an empty folder', () => {
    expect(problem().message).toContain('no rule.yaml');
  });

  it('applies overrides by id or name, and refuses those of nothing', () => {
    const rules = loadRules({
      overrides: {
        NF5001: { thresholds: { minScore: 30 } },
        'malformed-file': { level: 'error', enabled: false },
      },
    });
    expect(rules.find(({ id }) => id === 'NF5001')?.thresholds['minScore']).toBe(30);
    expect(rules.find(({ id }) => id === 'NF1000')).toMatchObject({
      level: 'error',
      enabled: false,
    });
    expect(() => loadRules({ overrides: { NF1: {} } })).toThrow('no such rule');
    expect(() => loadRules({ overrides: { NF5001: { thresholds: { x: 1 } } } })).toThrow(
      'no such threshold',
    );
  });
});
