// Installs and builds what is missing or older than its sources, so that `npm start` and `npm test` are one command each.
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const INSTALLED = join(root, 'node_modules/.package-lock.json');

/** Whether every package of the lock file is there; those for other platforms need not be. */
function isInstalled() {
  if (!existsSync(INSTALLED)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(INSTALLED, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || present[path]?.version === version || (optional && !present[path]),
  );
}

/** @param {string} folder */
function newestIn(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile())
      newest = Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs);
  }
  return newest;
}

/** @param {string[]} args */
function npm(...args) {
  const result = spawnSync('npm', args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
    // The post-install of onnxruntime-node downloads CUDA libraries and fails the install without internet.
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

export function prepare() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    process.stderr.write(`narrowfire needs Node 20.19 or newer; this is ${process.version}.\n`);
    process.exit(2);
  }
  if (!isInstalled()) {
    const folder = join(root, 'node_modules');
    // A linked folder is another checkout's: `npm ci` would empty it under that one's feet.
    if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
      process.stderr.write(`${folder} is a link to a folder that lacks packages; install there.\n`);
      process.exit(2);
    }
    npm('ci', '--no-audit', '--no-fund', '--loglevel=error');
  }
  const built = join(root, 'dist/.built');
  const stale =
    !existsSync(built) ||
    statSync(built).mtimeMs < newestIn(join(root, 'src')) ||
    statSync(built).mtimeMs < statSync(INSTALLED).mtimeMs;
  if (stale) npm('run', '--silent', 'build');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) prepare();
