/**
 * The file stage beside its peers: `npm run bench:files [-- --venv FOLDER --only detections|large]`. Detections on the error cases of
 * our rules, alarms on ordinary checkpoints, and time and memory on 1 GiB files. Peers come from PyPI into a
 * virtual environment; those that cannot be installed are left out with a message.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadRules } from '../src/judge/load-rules.ts';
import { zipFile } from '../test/cases/zip-writer.ts';

const PEERS = ['picklescan', 'modelscan', 'fickling', 'modelaudit'];
const PICKLE_CASE = /\.(pkl|pt|pth|bin|joblib|npy|npz|dill|7z|gz|zst|zip|tar|safetensors|ckpt)$/;
const MEBIBYTE = 2 ** 20;

const { values } = parseArgs({
  options: { venv: { type: 'string' }, only: { type: 'string' } },
});
const work = mkdtempSync(join(tmpdir(), 'narrowfire-bench-'));
const venv = resolve(values.venv ?? join(work, 'venv'));

interface Measured {
  readonly code: number;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakMebibytes: number;
  readonly stdout: string;
}

/** Runs a command under a small Python parent that reports what the child used. */
const MEASURE = `
import json, resource, subprocess, sys, time
start = time.time()
done = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
json.dump({"code": done.returncode, "wallSeconds": time.time() - start,
  "cpuSeconds": used.ru_utime + used.ru_stime, "peakMebibytes": used.ru_maxrss / 1024,
  "stdout": done.stdout.decode("utf8", "replace")}, open(sys.argv[1], "w"))
`;

function measure(command: readonly string[]): Measured {
  const report = join(work, 'measured.json');
  execFileSync('python3', ['-c', MEASURE, report, ...command], {
    // Peers send usage data unless told otherwise.
    env: { ...process.env, CI: 'true', DO_NOT_TRACK: '1', PROMPTFOO_DISABLE_TELEMETRY: '1' },
    // Some peers leave report files where they run.
    cwd: work,
    stdio: 'ignore',
    timeout: 1_800_000,
  });
  return JSON.parse(readFileSync(report, 'utf8')) as Measured;
}

function installPeers(): readonly string[] {
  if (!existsSync(venv)) spawnSync('python3', ['-m', 'venv', venv]);
  return PEERS.filter((peer) => {
    if (existsSync(join(venv, 'bin', peer))) return true;
    // fickling imports typing_extensions without declaring it.
    spawnSync(join(venv, 'bin', 'pip'), ['install', '-q', peer, 'typing_extensions']);
    const installed = existsSync(join(venv, 'bin', peer));
    if (!installed) process.stderr.write(`${peer} cannot be installed here and is left out\n`);
    return installed;
  });
}

/** Flat folders with one file a case, so that every tool runs once. */
function collect(): { hostile: string; ordinary: string } {
  const hostile = join(work, 'hostile');
  const ordinary = join(work, 'ordinary');
  mkdirSync(hostile);
  mkdirSync(ordinary);
  const errors = loadRules().filter(({ id, level }) => /^NF1[01]/.test(id) && level === 'error');
  for (const { name, folder } of errors) {
    const cases = join(folder, 'cases');
    for (const file of readdirSync(cases)) {
      const path = join(cases, file);
      if (file.startsWith('positive-') && PICKLE_CASE.test(file) && statSync(path).isFile())
        copyFileSync(path, join(hostile, `${name}-${file}`));
    }
  }
  for (const file of readdirSync('test/fixtures/checkpoints')) {
    if (file !== 'README.md')
      copyFileSync(join('test/fixtures/checkpoints', file), join(ordinary, file));
  }
  return { hostile, ordinary };
}

/** One process a tool, one call a file: a file that breaks a tool must not hide the rest. */
const JUDGE: Readonly<Record<string, string>> = {
  picklescan: `
from picklescan.scanner import scan_file_path
def judge(path): return scan_file_path(path).infected_files > 0`,
  modelscan: `
from modelscan.modelscan import ModelScan
def judge(path): return len(ModelScan().scan(path)["issues"]) > 0`,
  fickling: `
import fickling
def judge(path): return not fickling.is_likely_safe(path)`,
};
const EACH_FILE = `
for name in sorted(os.listdir(sys.argv[1])):
    try: hit = judge(os.path.join(sys.argv[1], name))
    except Exception: hit = False
    if hit: print("FLAGGED " + name)`;

type Flagged = ReadonlySet<string>;

/** Names of files in `folder` for which the tool reports something that fails its scan. */
function flagged(tool: string, folder: string): Flagged {
  const names = readdirSync(folder);
  const bin = join(venv, 'bin', tool);
  switch (tool) {
    case 'narrowfire': {
      const { stdout } = measure(narrowfire(folder));
      const result = JSON.parse(stdout) as {
        targets: { findings: { level: string; path: string }[] }[];
      };
      const found = result.targets.flatMap(({ findings }) => findings);
      return new Set(
        found.filter(({ level }) => level === 'error').map(({ path }) => path.split('/')[1] ?? ''),
      );
    }
    case 'picklescan':
    case 'modelscan':
    case 'fickling': {
      const script = `import os, sys\n${JUDGE[tool]}\n${EACH_FILE}`;
      const { stdout } = measure([join(venv, 'bin', 'python'), '-c', script, folder]);
      const lines = new Set(stdout.split('\n'));
      return new Set(names.filter((name) => lines.has(`FLAGGED ${name}`)));
    }
    default: {
      const out = join(work, 'modelaudit.json');
      measure([bin, 'scan', folder, '--format', 'json', '--output', out]);
      const { issues } = JSON.parse(readFileSync(out, 'utf8')) as {
        issues: { severity: string; location?: string }[];
      };
      const critical = issues.filter(({ severity }) => severity === 'critical');
      return new Set(
        names.filter((name) => critical.some(({ location }) => location?.includes(`/${name}`))),
      );
    }
  }
}

function narrowfire(path: string): readonly string[] {
  return [
    process.execPath,
    resolve('bin/narrowfire.js'),
    'scan',
    '--profile',
    'files',
    '--format',
    'json',
    path,
  ];
}

/** 64 tensors of 16 MiB, in a safetensors file and in a torch zip. */
function bigFiles(): readonly string[] {
  const count = 64;
  const bytes = 16 * MEBIBYTE;
  const header = JSON.stringify(
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        `t${i}`,
        { dtype: 'F32', shape: [bytes / 4], data_offsets: [i * bytes, (i + 1) * bytes] },
      ]),
    ),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const plain = join(work, 'big.safetensors');
  const data = randomFillSync(Buffer.alloc(bytes));
  const file = openSync(plain, 'w');
  writeSync(file, Buffer.concat([length, Buffer.from(header)]));
  for (let i = 0; i < count; i++) writeSync(file, data);
  closeSync(file);
  const torch = join(work, 'big.pt');
  const members = [
    { name: 'archive/data.pkl', data: Buffer.from('\x80\x02}.', 'latin1') },
    ...Array.from({ length: count }, (_, i) => ({ name: `archive/data/${i}`, data })),
  ];
  writeFileSync(torch, zipFile(members));
  return [plain, torch];
}

function peerCommand(tool: string, path: string): readonly string[] {
  const bin = join(venv, 'bin', tool);
  if (tool === 'narrowfire') return narrowfire(path);
  if (tool === 'modelaudit') return [bin, 'scan', path];
  if (tool === 'fickling') return [bin, '--check-safety', path];
  return [bin, '-p', path];
}

function reportDetections(tools: readonly string[]): void {
  const { hostile, ordinary } = collect();
  const cases = readdirSync(hostile).length;
  const checkpoints = readdirSync(ordinary).length;
  const title = `| tool | error cases flagged (of ${cases}) | ordinary checkpoints flagged (of ${checkpoints}) |`;
  process.stdout.write(`${title}\n|---|---|---|\n`);
  for (const tool of tools) {
    const counts = `${flagged(tool, hostile).size} | ${flagged(tool, ordinary).size}`;
    process.stdout.write(`| ${tool} | ${counts} |\n`);
  }
}

function reportLargeFiles(tools: readonly string[]): void {
  process.stdout.write('\n| 1 GiB file | tool | wall s | CPU s | peak MB | exit |\n');
  process.stdout.write('|---|---|---|---|---|---|\n');
  for (const path of bigFiles()) {
    for (const tool of tools) {
      const { wallSeconds, cpuSeconds, peakMebibytes, code } = measure(peerCommand(tool, path));
      const cells = [wallSeconds.toFixed(2), cpuSeconds.toFixed(2), peakMebibytes.toFixed(0), code];
      process.stdout.write(`| ${path.split('/').at(-1)} | ${tool} | ${cells.join(' | ')} |\n`);
    }
  }
}

try {
  const tools = ['narrowfire', ...installPeers()];
  if (values.only !== 'large') reportDetections(tools);
  if (values.only !== 'detections') reportLargeFiles(tools);
} finally {
  rmSync(work, { recursive: true, force: true });
}
