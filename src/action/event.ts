/** What started the workflow, from the payload that GitHub writes: the commits of a pull request and whose they are. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ScanError } from '../errors.ts';
import type { Environment } from './inputs.ts';

const commit = z.string().regex(/^[0-9a-f]{40,64}$/);
const side = z.object({
  sha: commit,
  repo: z.object({ full_name: z.string() }).nullish(),
});
const payload = z.object({ pull_request: z.object({ base: side, head: side }).optional() });

export interface PullRequest {
  readonly baseSha: string;
  readonly headSha: string;
}

export interface WorkflowEvent {
  readonly name: string;
  readonly pullRequest?: PullRequest;
  /** Pull requests of forks and of Dependabot run with a token that can only read. */
  readonly readOnlyToken: boolean;
}

/** @throws ScanError `E_USAGE` for events that would run foreign code with the repository's rights. */
export function readEvent(env: Environment): WorkflowEvent {
  const name = env['GITHUB_EVENT_NAME'] ?? '';
  if (name === 'pull_request_target') {
    throw new ScanError('E_USAGE', 'pull_request_target runs with secrets beside foreign files', {
      hint: 'Use on: pull_request.',
    });
  }
  const file = env['GITHUB_EVENT_PATH'] ?? '';
  if (file === '') return { name, readOnlyToken: false };
  let parsed: z.output<typeof payload>;
  try {
    parsed = payload.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new ScanError('E_FORMAT', 'not the payload of a GitHub event', { file, cause: error });
  }
  const { pull_request: request } = parsed;
  if (request === undefined) return { name, readOnlyToken: false };
  const { base, head } = request;
  // The repository of a deleted fork is null.
  const isFork = head.repo?.full_name !== base.repo?.full_name || head.repo == null;
  return {
    name,
    pullRequest: { baseSha: base.sha, headSha: head.sha },
    readOnlyToken: isFork || env['GITHUB_ACTOR'] === 'dependabot[bot]',
  };
}
