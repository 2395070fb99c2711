// Prints `N passed, N failed` from vitest's JSON report and ends with the code of the run.
import { readFileSync } from 'node:fs';

const [file = '', code = '1'] = process.argv.slice(2);
let passed = 0;
let failed = 0;
try {
  const { testResults } = JSON.parse(readFileSync(file, 'utf8'));
  for (const { status, assertionResults } of testResults) {
    const failures = assertionResults.filter((/** @type {any} */ test) => test.status === 'failed');
    passed += assertionResults.filter((/** @type {any} */ test) => test.status === 'passed').length;
    // A file that cannot be loaded has no tests to count.
    failed += status === 'failed' ? Math.max(1, failures.length) : failures.length;
  }
} catch {
  process.stderr.write('no test ran\n');
}
if (code !== '0' || passed === 0) failed = Math.max(1, failed);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = Number(code) || (failed > 0 ? 1 : 0);
