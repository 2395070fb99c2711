/** Accepted findings: an ignore entry suppresses what it matches until it expires, and says why. */
import type { ArtifactFile, Finding } from '../finding/finding.ts';
import type { Ignore } from './policy.ts';

/** `*` and `?` stay within a path segment, `**` crosses them. */
export function globToRegExp(glob: string): RegExp {
  const source = glob.replaceAll(/\*\*\/?|[*?]|[.+^${}()|[\]\\]/g, (token) => {
    if (token === '**/') return '(?:[^/]*/)*';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    return `\\${token}`;
  });
  return new RegExp(`^${source}$`, 'su');
}

export function isExpired(ignore: Ignore, today: string): boolean {
  return ignore.until !== undefined && ignore.until < today.slice(0, 10);
}

function tensorsOf(finding: Finding): readonly string[] {
  const named = finding.evidence.flatMap((fact) =>
    'tensor' in fact && typeof fact.tensor === 'string' ? [fact.tensor] : [],
  );
  return finding.location?.tensor === undefined ? named : [finding.location.tensor, ...named];
}

type Test = (finding: Finding) => boolean;

/** Compiled once a scan; every field that is given must match. */
function compile(ignore: Ignore, files: readonly ArtifactFile[]): Test {
  const tests: Test[] = [];
  const { rule, path, tensor, digest, fingerprint } = ignore;
  if (rule !== undefined) tests.push((f) => f.ruleId === rule || f.ruleName === rule);
  if (path !== undefined) {
    const pattern = globToRegExp(path);
    tests.push((f) => pattern.test(f.path));
  }
  // A finding about several tensors is accepted only by a name that covers all of them.
  if (tensor !== undefined) {
    tests.push((f) => {
      const tensors = tensorsOf(f);
      return tensors.length > 0 && tensors.every((name) => name === tensor);
    });
  }
  if (digest !== undefined) {
    const paths = new Set(files.filter((file) => file.sha256 === digest).map((file) => file.path));
    tests.push((f) => paths.has(f.path));
  }
  if (fingerprint !== undefined) tests.push((f) => f.fingerprint === fingerprint);
  return tests.length === 0 ? () => false : (finding) => tests.every((test) => test(finding));
}

export function applyIgnores(
  findings: readonly Finding[],
  ignores: readonly Ignore[],
  files: readonly ArtifactFile[],
  today: string,
): readonly Finding[] {
  const active = ignores
    .filter((ignore) => !isExpired(ignore, today))
    .map((ignore) => ({ ignore, matches: compile(ignore, files) }));
  if (active.length === 0) return findings;
  return findings.map((finding) => {
    const ignore = active.find(({ matches }) => matches(finding))?.ignore;
    if (ignore === undefined) return finding;
    const suppression = {
      reason: ignore.reason,
      ...(ignore.until !== undefined && { expires: ignore.until }),
      source: ignore.source,
    };
    return { ...finding, suppression };
  });
}
