import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/cli/duration.ts';
import { ProgressLine, progressLine } from '../../../src/cli/progress.ts';
import type { ProgressEvent } from '../../../src/scan/stage.ts';

function event(done: number, changes: Partial<ProgressEvent> = {}): ProgressEvent {
  return {
    target: 'm',
    stage: 'files',
    label: 'a.bin',
    done,
    total: 100,
    unit: 'files',
    ...changes,
  };
}

describe('progressLine', () => {
  it('shows stage, share, rate and time left', () => {
    const line = progressLine(event(25), 5, 120);
    expect(line).toContain('files');
    expect(line).toContain(' 25%');
    expect(line).toContain('5 files/s');
    expect(line).toContain('15s left');
  });

  it('never exceeds the columns, and never moves the cursor by a hostile name', () => {
    const line = progressLine(event(1, { label: '\u001b[2J\n'.repeat(90) }), 1, 60);
    expect([...line].length).toBeLessThan(60);
    expect(line).not.toMatch(/[\u0000-\u001f]/);
  });

  it('survives a total of zero', () => {
    expect(progressLine(event(0, { total: 0 }), 0, 80)).toContain('  0%');
  });
});

describe('ProgressLine', () => {
  it('redraws at most ten times a second and clears itself', () => {
    let now = 0;
    const written: string[] = [];
    const line = new ProgressLine({
      write: (text) => written.push(text),
      columns: 80,
      clock: () => now,
    });
    for (let done = 0; done < 100; done += 1) {
      now += 10;
      line.show(event(done));
    }
    expect(written.length).toBeLessThanOrEqual(11);
    line.clear();
    expect(written.at(-1)).toBe('\r\u001b[2K');
    line.clear();
    expect(written.at(-1)).toBe('\r\u001b[2K');
  });
});

describe('durations', () => {
  it.each([
    ['90s', 90],
    ['5m', 300],
    ['1h30m', 5400],
    ['45', 45],
    ['1.5m', 90],
  ])('reads %s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each(['', 'm', '5 m', '-3', '0', '0s', '1d', '5mm x'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow('no duration');
  });

  it.each([
    [5, '5s'],
    [65, '1m05s'],
    [3700, '1h01m'],
  ])('writes %i', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});
