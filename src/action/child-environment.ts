/** The environment of every process that the action starts: what programs need to run, and no token or secret. */
import type { Environment } from './inputs.ts';

const PASSED =
  /^(PATH|HOME|USER|TMPDIR|TEMP|TMP|LANG|LC_.*|TZ|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|SystemRoot|ComSpec|PATHEXT|LOCALAPPDATA|APPDATA|USERPROFILE|LD_LIBRARY_PATH|NARROWFIRE_CACHE|NARROWFIRE_CACHE_BYTES)$/i;
/** Git reaches its remote through the proxy of the job; the scanner reaches nothing. */
const FOR_GIT =
  /^(HTTPS?_PROXY|NO_PROXY|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)|XDG_CONFIG_HOME|RUNNER_TEMP)$/i;

function only(env: Environment, ...patterns: readonly RegExp[]): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && patterns.some((pattern) => pattern.test(name))) kept[name] = value;
  }
  return kept;
}

export function scannerEnvironment(env: Environment): Record<string, string> {
  return { ...only(env, PASSED), CI: 'true', NO_COLOR: '1' };
}

export function gitEnvironment(env: Environment): Record<string, string> {
  return { ...only(env, PASSED, FOR_GIT), GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' };
}
