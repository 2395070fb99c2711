/** Small parts of the action: pointers, outputs, summaries, log lines, environments, inputs, events. */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gitEnvironment, scannerEnvironment } from '../../src/action/child-environment.ts';
import { readEvent } from '../../src/action/event.ts';
import { readInputs } from '../../src/action/inputs.ts';
import { fetchObject } from '../../src/action/lfs.ts';
import { parsePointer } from '../../src/action/lfs-pointer.ts';
import {
  appendSummary,
  cutSummary,
  logLine,
  MAX_SUMMARY_BYTES,
  writeOutputValues,
} from '../../src/action/workflow-commands.ts';
import { readOutputs } from './world.ts';

const scratch = mkdtempSync(join(tmpdir(), 'narrowfire-parsing-'));
const OID = 'ab'.repeat(32);
const pointer = (...lines: readonly string[]) =>
  parsePointer(Buffer.from(`version https://git-lfs.github.com/spec/v1\n${lines.join('\n')}\n`));

it('reads a pointer, and nothing that only resembles one', () => {
  expect(pointer(`oid sha256:${OID}`, 'size 5')).toEqual({ sha256: OID, byteLength: 5 });
  expect(pointer(`oid sha256:${OID.toUpperCase()}`, 'size 5')).toBeUndefined();
  expect(pointer(`oid sha256:${OID}`, 'size -5')).toBeUndefined();
  expect(pointer(`oid sha256:${OID}`, 'size 5', 'size 6')).toBeUndefined();
  expect(pointer(`oid sha256:${OID}`, `oid sha256:${'cd'.repeat(32)}`, 'size 5')).toBeUndefined();
  expect(pointer(`oid sha256:${OID}`, 'size 5', `x-note ${'y'.repeat(1024)}`)).toBeUndefined();
  expect(parsePointer(Buffer.from('version 1\n'))).toBeUndefined();
});

it('gives back every output value, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const value = text.replaceAll('\r', '');
      const file = join(scratch, 'output');
      writeFileSync(file, '');
      writeOutputValues(file, { one: value, two: 'a\nfake=1\nnarrowfire_x\nfoo<<EOF\nEOF' });
      const read = readOutputs(file);
      expect(read['one']).toBe(value);
      expect(Object.keys(read)).toEqual(['one', 'two']);
    }),
    { numRuns: 50 },
  );
});

it('keeps a summary under the limit of a step, and closes what it cuts', () => {
  const long = `<details>\n${'line of text\n'.repeat(200_000)}</details>\n`;
  const cut = cutSummary(long, MAX_SUMMARY_BYTES);
  expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(MAX_SUMMARY_BYTES);
  expect(cut.split('<details>').length).toBe(cut.split('</details>').length);
  expect(cut).toContain('cut here');
  const file = join(scratch, 'summary');
  writeFileSync(file, 'x'.repeat(MAX_SUMMARY_BYTES - 10));
  appendSummary(file, long);
  expect(cutSummary('short\n', 100)).toBe('short\n');
});

it('writes no log line that a runner takes for a command', () => {
  const line = logLine('x\n::set-output name=a::b ##[add-mask]c \u001b[1m');
  expect(line.split('\n')).toHaveLength(2);
  expect(line).toMatch(/^narrowfire: /);
  expect(line).not.toContain('##[');
});

it('passes no token to the scanner or to git', () => {
  const env = {
    ...{ PATH: '/bin', GITHUB_TOKEN: 's', ACTIONS_RUNTIME_TOKEN: 's', HF_TOKEN: 's' },
    ...{ AWS_SECRET_ACCESS_KEY: 's', NODE_OPTIONS: '--require evil', GIT_SSH_COMMAND: 'evil' },
    ...{ HTTPS_PROXY: 'http://proxy', NARROWFIRE_REDACT_SALT: 's' },
  };
  expect(Object.keys(scannerEnvironment(env)).toSorted()).toEqual(['CI', 'NO_COLOR', 'PATH']);
  expect(Object.keys(gitEnvironment(env)).toSorted()).toEqual(
    ['GIT_TERMINAL_PROMPT', 'HTTPS_PROXY', 'LC_ALL', 'PATH'].toSorted(),
  );
});

it('names the input that is wrong', () => {
  expect(() => readInputs({ INPUT_PROFILE: 'fast' })).toThrow(/input profile/);
  expect(() => readInputs({ INPUT_MAX_DOWNLOAD_BYTES: '1e9' })).toThrow(/max-download-bytes/);
  expect(() => readInputs({ INPUT_CATEGORY: 'a/b\n' })).toThrow(/category/);
  expect(readInputs({ INPUT_PATHS: ' ./a/ \n\n.\nb c' }).paths).toEqual(['a', 'b c']);
});

it('knows a fork, a deleted fork and Dependabot by their tokens', () => {
  const event = (head: unknown, extra: Record<string, string> = {}) => {
    const file = join(scratch, 'event.json');
    const sha = 'a'.repeat(40);
    const base = { sha, repo: { full_name: 'o/r' } };
    writeFileSync(file, JSON.stringify({ pull_request: { base, head: { sha, repo: head } } }));
    const env = { GITHUB_EVENT_NAME: 'pull_request', GITHUB_EVENT_PATH: file, ...extra };
    return readEvent(env).readOnlyToken;
  };
  expect(event({ full_name: 'o/r' })).toBe(false);
  expect(event({ full_name: 'x/r' })).toBe(true);
  expect(event(null)).toBe(true);
  expect(event({ full_name: 'o/r' }, { GITHUB_ACTOR: 'dependabot[bot]' })).toBe(true);
  expect(() => readEvent({ GITHUB_EVENT_NAME: 'pull_request_target' })).toThrow(/secrets/);
});

it('keeps a fetched object only when it is what the pointer says, whatever git-lfs thinks', async () => {
  const script = join(scratch, 'git');
  writeFileSync(script, '#!/bin/sh\n/bin/cat > /dev/null\nprintf 12345\n');
  chmodSync(script, 0o755);
  const git = { folder: scratch, env: { PATH: scratch } };
  const file = join(scratch, 'object');
  const sha256 = createHash('sha256').update('12345').digest('hex');
  await fetchObject(git, { sha256, byteLength: 5 }, file);
  expect(readFileSync(file, 'utf8')).toBe('12345');
  for (const pointer of [
    { sha256: OID, byteLength: 5 },
    { sha256, byteLength: 4 },
  ]) {
    const other = join(scratch, `other-${pointer.byteLength}`);
    await expect(fetchObject(git, pointer, other)).rejects.toMatchObject({ code: 'E_FORMAT' });
    expect(existsSync(other)).toBe(false);
  }
});
