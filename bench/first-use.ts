/**
 * First use as a new user meets it: clone, install, build, `npm start`, read the finding. Each step's wall and CPU
 * time on a fresh clone of the committed state. Needs the package registry, as a user does.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'narrowfire-first-'));
const clone = join(folder, 'narrowfire');

interface Step {
  readonly what: string;
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
}

const steps: readonly Step[] = [
  { what: '`git clone`', command: ['git', 'clone', '-q', root, clone], cwd: folder },
  {
    what: 'install (`npm ci`)',
    command: ['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error'],
    cwd: clone,
  },
  { what: 'build', command: ['npm', 'run', '--silent', 'build'], cwd: clone },
  {
    what: '`npm start`: scan, reports, the finding in words',
    command: ['npm', 'start'],
    cwd: clone,
  },
  {
    what: '`npm start -- explain NF5001`',
    command: ['npm', 'start', '--', 'explain', 'NF5001'],
    cwd: clone,
  },
];

let total = 0;
const rows: string[] = [];
try {
  for (const { what, command, cwd } of steps) {
    const [program, ...args] = command;
    const started = performance.now();
    const ran = spawnSync('bash', ['-c', 'time -p "$0" "$@"', program, ...args], {
      cwd,
      encoding: 'utf8',
      // The post-install of onnxruntime-node downloads CUDA libraries; bin/prepare.js leaves them out too.
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip', CI: '1' },
    });
    const seconds = (performance.now() - started) / 1000;
    if (ran.status !== 0) throw new Error(`${what} ended with ${ran.status}: ${ran.stderr}`);
    const spent = [...ran.stderr.matchAll(/^(?:user|sys) ([\d.]+)$/gm)];
    const cpu = spent.slice(-2).reduce((sum, [, text]) => sum + Number(text), 0);
    total += seconds;
    rows.push(`| ${what} | ${seconds.toFixed(1)} | ${cpu.toFixed(1)} |`);
  }
  if (!existsSync(join(clone, 'narrowfire-report/report.html'))) throw new Error('no report');
  process.stdout.write('| step | wall s | CPU s |\n| --- | --- | --- |\n');
  process.stdout.write(`${rows.join('\n')}\n| all | ${total.toFixed(1)} | |\n\n`);
  const load = loadavg().map((value) => value.toFixed(1));
  process.stdout.write(`Node ${process.version}, ${cpus().length} cores, load ${load.join(' ')}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
