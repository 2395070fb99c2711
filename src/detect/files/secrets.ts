/** Credentials that were published by mistake: few patterns, each with a fixed prefix and length. */
import { decodeText } from '../../artifact/text.ts';
import type { FileDetector } from './detector.ts';

const MAX_TEXT_BYTES = 2 * 2 ** 20;

const PATTERNS: Readonly<Record<string, RegExp>> = {
  'Hugging Face token': /(?<![A-Za-z0-9_])hf_[A-Za-z0-9]{34,40}(?![A-Za-z0-9])/g,
  'AWS access key': /(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])/g,
  'GitHub token':
    /(?<![A-Za-z0-9_])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82})(?![A-Za-z0-9_])/g,
  'OpenAI key':
    /(?<![A-Za-z0-9-])sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,74}T3BlbkFJ[A-Za-z0-9_-]{20,74}/g,
  'Anthropic key': /(?<![A-Za-z0-9-])sk-ant-[a-z0-9]{5,8}-[A-Za-z0-9_-]{80,120}(?![A-Za-z0-9_-])/g,
  'Google API key': /(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/g,
  'Slack token': /(?<![A-Za-z0-9-])xox[abprs]-[0-9]{10,13}-[A-Za-z0-9-]{20,80}/g,
  'Stripe key': /(?<![A-Za-z0-9_])sk_live_[A-Za-z0-9]{24,99}(?![A-Za-z0-9])/g,
  'private key':
    /-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{100}/g,
};
const PLACEHOLDER = /EXAMPLE|XXXX|xxxx|\*\*\*\*|your|YOUR|1234567890|abcdefghij/;
const SHOWN_CHARS = 8;

export const secretDetector: FileDetector = {
  name: 'secrets',
  accepts: ({ format, source }) =>
    (format === 'text' || format === 'json') && source.size <= MAX_TEXT_BYTES,
  inspect(subject, report) {
    const text = decodeText(subject.source.read(0, subject.source.size));
    for (const [secret, pattern] of Object.entries(PATTERNS)) {
      const found = [...text.matchAll(pattern)].filter(([value]) => isLikelyReal(value));
      const [first] = found;
      if (first === undefined) continue;
      report.evidence({
        kind: 'secret-found',
        path: subject.path,
        location: {
          ...(subject.member !== undefined && { member: subject.member }),
          byteOffset: Buffer.byteLength(text.slice(0, first.index)),
          line: text.slice(0, first.index).split('\n').length,
        },
        secret,
        shown: `${first[0].slice(0, SHOWN_CHARS)}…`,
        count: found.length,
      });
    }
  },
};

/** Documentation is full of made-up keys: repeated or counted characters, and words that say so. */
function isLikelyReal(value: string): boolean {
  if (PLACEHOLDER.test(value)) return false;
  const body = value.replace(/^[A-Za-z]+[_-]/, '');
  return new Set(body).size >= 8;
}
