import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FORMAT_NAMES, FORMATS } from '../../../src/report/formats.ts';
import { renderGithub } from '../../../src/report/github.ts';
import { renderHtml } from '../../../src/report/html/html.ts';
import { renderJson } from '../../../src/report/json.ts';
import { renderJunit } from '../../../src/report/junit.ts';
import { inert, renderMarkdown } from '../../../src/report/markdown.ts';
import { renderPretty } from '../../../src/report/pretty.ts';
import { parseResult } from '../../../src/report/read-result.ts';
import { clip, jsonText, visible, visibleLine, wellFormed } from '../../../src/report/safe-text.ts';
import {
  backdoored,
  clean,
  context,
  hostile,
  incomplete,
  many,
  render,
  resultOf,
  target,
  trigger,
} from './samples.ts';

const LONE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

describe('safe text', () => {
  it('leaves nothing that cannot be seen, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(visible(text)).not.toMatch(UNSEEN);
        expect(visible(text)).not.toMatch(LONE);
        expect(visibleLine(text)).not.toMatch(/[\n\t]/);
        expect(wellFormed(text)).not.toMatch(LONE);
        expect(clip(text, 5).split('…')[0]?.length).toBeLessThanOrEqual(5);
      }),
    );
  });

  it('writes JSON that gives the value back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(JSON.parse(jsonText({ text }))).toEqual({ text: wellFormed(text) });
        expect(jsonText(text)).not.toMatch(UNSEEN);
      }),
    );
  });

  it('shows ordinary text of any language as it is', () => {
    const text = 'naïve 日本語 العربية 😀 🇫🇷 café';
    expect(visible(text)).toBe(text);
  });
});

describe.each(FORMAT_NAMES)('%s', (name) => {
  it('is safe and in one piece for hostile text', () => {
    const text = render(FORMATS[name](hostile(), context({ showSuppressed: true })));
    expect(text).not.toMatch(UNSEEN);
    expect(text).not.toMatch(LONE);
    expect(text.length).toBeGreaterThan(100);
  });

  it('is equal byte for byte when rendered twice', () => {
    expect(render(FORMATS[name](backdoored(), context()))).toBe(
      render(FORMATS[name](backdoored(), context())),
    );
  });

  it('renders a result without targets', () => {
    const empty = { ...clean(), targets: [] };
    expect(typeof render(FORMATS[name](empty, context()))).toBe('string');
  });

  it('says so when a scan is incomplete', () => {
    expect(render(FORMATS[name](incomplete(), context()))).toMatch(/incomplete|E_TRUNCATED/i);
  });
});

describe('json', () => {
  it.each(Object.entries({ backdoored, clean, incomplete }))(
    'reads back as it was: %s',
    (_name, sample) => {
      expect(parseResult(render(renderJson(sample())), 'x.json')).toEqual(sample());
    },
  );

  it('refuses what is no result', () => {
    expect(() => parseResult('{', 'x.json')).toThrow('not JSON');
    expect(() => parseResult('{"schema":"narrowfire/result/v2"}', 'x.json')).toThrow('schema');
  });
});

describe('html', () => {
  const text = render(renderHtml(backdoored(), context()));

  it('puts the verdict and what was not covered before any finding', () => {
    const order = ['class="verdict"', 'Not covered', 'class="card'].map((part) =>
      text.indexOf(part),
    );
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order[0]).toBeGreaterThan(0);
  });

  it('allows its one style by digest and nothing else', () => {
    const policy = /Content-Security-Policy" content="([^"]*)"/
      .exec(text)?.[1]
      ?.replaceAll('&#39;', "'");
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'$/,
    );
    expect(text).not.toMatch(/<script|<img|<link|url\(http|@import|style="/);
  });

  it('shows outputs side by side, heat, controls, the causal plot and the command', () => {
    for (const part of [
      'without it',
      'class="heat h',
      'Matched random strings',
      'layer 3',
      'npx narrowfire scan',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('plots spectra of any evidence that has them', () => {
    const fact = {
      kind: 'non-finite-tensor',
      path: 'story-teller/model.safetensors',
      tensor: 'q_proj',
      nanCount: 1,
      infiniteCount: 0,
      elementCount: 4,
      singularValues: [9, 1, 0.5, 0.2],
      referenceSingularValues: [1.2, 1, 0.5, 0.2],
    } as const;
    const plotted = render(renderHtml(resultOf([target({ evidence: [fact] })]), context()));
    expect(plotted).toContain('singular values of q_proj');
    expect(plotted.match(/<polyline/g)).toHaveLength(2);
  });
});

describe('junit', () => {
  /** Tags in balance, known entities only, and the counts that the head announces. */
  function read(text: string): {
    readonly tests: number;
    readonly failures: number;
    readonly errors: number;
  } {
    const open: string[] = [];
    const rest = text
      .replace(/^<\?xml[^>]*\?>\n/, '')
      .replaceAll(
        /<(\/?)([a-z-]+)((?: [a-z]+="[^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*")*)(\/?)>/g,
        (_all, close: string, tag: string, _attributes, self: string) => {
          if (close !== '') expect(open.pop()).toBe(tag);
          else if (self === '') open.push(tag);
          return '';
        },
      );
    expect(open).toEqual([]);
    expect(rest.replaceAll(/&(?:amp|lt|gt|quot);/g, '')).not.toMatch(/[<&]/);
    const count = (tag: string) => text.split(`<${tag}`).length - 1;
    const head = /<testsuites [^>]*tests="(\d+)" failures="(\d+)" errors="(\d+)"/.exec(text) ?? [];
    const [tests, failures, errors] = head.slice(1).map(Number);
    expect([tests, failures, errors]).toEqual([
      count('testcase '),
      count('failure '),
      count('error '),
    ]);
    return { tests: tests ?? 0, failures: failures ?? 0, errors: errors ?? 0 };
  }

  it('is well-formed for anything, and counts what it holds', () => {
    expect(read(render(renderJunit(hostile()))).failures).toBe(30);
    expect(read(render(renderJunit(clean())))).toMatchObject({ failures: 0, errors: 0 });
    expect(read(render(renderJunit(incomplete()))).errors).toBe(3);
  });

  it('fails exactly what the exit code fails', () => {
    const evidence = [trigger({ outcome: 'locked-text', score: 40 })];
    expect(read(render(renderJunit(resultOf([target({ evidence })])))).failures).toBe(0);
    const strict = resultOf([target({ evidence })], { failOn: 'warning' });
    expect(read(render(renderJunit(strict))).failures).toBe(1);
  });
});

describe('markdown', () => {
  it('lets no model text be markup', () => {
    expect(inert('@user [a](b) `c` | <b> ![i](x) #1 https://x', 200)).not.toMatch(/[@[\](`|<!/]/);
    const rows = render(renderMarkdown(hostile()))
      .split('\n')
      .filter((line) => line.startsWith('| '));
    for (const row of rows) expect(row.split('|').length).toBe(6);
  });

  it('stays below the size that GitHub takes', () => {
    expect(render(renderMarkdown(many(30_000))).length).toBeLessThan(1_000_000);
  });
});

describe('github', () => {
  it('writes at most ten annotations, the most severe first, and counts the rest', () => {
    const lines = render(renderGithub(many(500), context()))
      .trim()
      .split('\n');
    expect(lines).toHaveLength(10);
    expect(lines[0]).toMatch(
      /^::error file=models\/story-teller\/shard-\d+\.safetensors,line=1,title=NF3001 /,
    );
    expect(lines.at(-1)).toContain('492 more findings');
  });

  it('has one command a line for hostile text', () => {
    for (const line of render(renderGithub(hostile(), context())).trim().split('\n')) {
      expect(line).toMatch(/^::(error|warning|notice) (file=[^,:]+,line=\d+,)?title=[^,:]+::/);
    }
  });
});

describe('pretty', () => {
  it('says what the trigger does, with and without', () => {
    const text = render(renderPretty(backdoored(), context()));
    expect(text).toContain('NF5001');
    expect(text).toMatch(/with it +Buy more candy/);
    expect(text).toMatch(/without it +She had a red ball/);
    expect(text).toContain('exit code 1');
  });

  it('uses colours only when asked', () => {
    expect(render(renderPretty(backdoored(), context({ color: true })))).toContain('\u001b[1;31m');
  });

  it('never says clean', () => {
    expect(render(renderPretty(clean(), context()))).not.toMatch(/clean|safe/i);
  });
});

describe('meaning', () => {
  const locked = resultOf([target({ evidence: [trigger({ outcome: 'locked-text', score: 40 })] })]);

  it('of a pass with warnings asks for a look, in every format for people', () => {
    expect(locked.verdict).toBe('pass');
    for (const name of ['pretty', 'html', 'markdown'] as const) {
      const text = render(FORMATS[name](locked, context({ width: 200 })));
      expect(text, name).toContain('a person must look');
      expect(text, name).not.toContain('found nothing');
    }
  });
});
