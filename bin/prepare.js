// Installs and builds what is missing or older than its sources, so that `npm start` and `npm test` are one command each.
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

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
  const folder = join(root, 'node_modules');
  const installed = join(folder, '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  // A linked folder is another checkout's: `npm ci` would empty it under that one's feet.
  const isLinked = lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  if (isLinked) {
    if (!existsSync(installed)) throw new Error(`${folder} is a link to nothing installed`);
  } else if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
    npm('ci', '--no-audit', '--no-fund', '--loglevel=error');
  }
  const built = join(root, 'dist/.built');
  const stale =
    !existsSync(built) ||
    statSync(built).mtimeMs < newestIn(join(root, 'src')) ||
    statSync(built).mtimeMs < statSync(installed).mtimeMs;
  if (stale) npm('run', '--silent', 'build');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) prepare();
