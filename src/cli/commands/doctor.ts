/** `narrowfire doctor`: what this installation can do here, what it cannot, why, and the command that mends it. */
import { accessSync, constants } from 'node:fs';
import { availableParallelism, cpus, freemem, tmpdir, totalmem } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type DeviceProbe, probeDevice } from '../../engine/device.ts';
import { engineBuild } from '../../engine/session.ts';
import { formatError, toScanError } from '../../errors.ts';
import { EXIT } from '../../finding/exit-code.ts';
import { loadRules } from '../../judge/load-rules.ts';
import { VERSION } from '../../version.ts';
import type { CommandHost } from '../main.ts';
import { modelNeeds, type NeedOptions } from '../model-needs.ts';
import { byteSize, wholeNumber } from '../option-parsers.ts';
import { statsOf } from './cache.ts';

const DEVICES = ['cpu', 'cuda', 'webgpu', 'dml', 'coreml'] as const;
const OLDEST_NODE = [20, 19] as const;

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly mend?: string;
  /** Nothing works without it. */
  readonly needed: boolean;
}

export function addDoctorCommand(program: Command, { io, exit }: CommandHost): void {
  program
    .command('doctor')
    .summary('check this installation and its devices')
    .description(
      'Checks what narrowfire can use on this machine: engine, devices, memory, cache, rules.',
    )
    .argument('[model]', 'also say what running this model needs')
    .option('--memory <size>', 'bound on memory to plan for', byteSize)
    .option('--workers <n>', 'worker threads to plan for', wholeNumber(1))
    .option('--json', 'print JSON')
    .action(async (model: string | undefined, flags: DoctorFlags) => {
      const checks = [...machine(), ...(await devices()), cache(io.env), rules()];
      if (model !== undefined) checks.push(...modelNeeds(resolve(io.cwd, model), flags));
      if (checks.some(({ needed, ok }) => needed && !ok)) exit(EXIT.incomplete);
      if (flags.json === true) io.stdout(`${JSON.stringify({ version: VERSION, checks })}\n`);
      else for (const check of checks) io.stdout(lineOf(check));
    });
}

interface DoctorFlags extends NeedOptions {
  readonly json?: boolean;
}

function lineOf({ name, ok, detail, mend, needed }: Check): string {
  const mark = ok ? 'ok  ' : needed ? 'FAIL' : 'no  ';
  const more = mend === undefined ? '' : `\n                ${mend}`;
  return `${mark}  ${name.padEnd(9)} ${detail}${more}\n`;
}

function machine(): readonly Check[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const recent = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return [
    { name: 'version', ok: true, needed: true, detail: `narrowfire ${VERSION}` },
    {
      name: 'node',
      ok: recent,
      needed: true,
      detail: `${process.versions.node} on ${process.platform} ${process.arch}`,
      ...(!recent && { mend: `Install Node.js ${OLDEST_NODE.join('.')} or newer.` }),
    },
    { name: 'cores', ok: true, needed: true, detail: `${availableParallelism()}, ${model}` },
    {
      name: 'memory',
      ok: true,
      needed: true,
      detail: `${gigabytes(freemem())} free of ${gigabytes(totalmem())}`,
    },
    writable('temporary', tmpdir()),
  ];
}

async function devices(): Promise<readonly Check[]> {
  const { version, providers } = engineBuild();
  const detail = `ONNX Runtime ${version}, built with ${providers.join(', ')}`;
  const checks: Check[] = [{ name: 'engine', ok: true, needed: true, detail }];
  let cpu: DeviceProbe | undefined;
  for (const device of DEVICES) {
    const probe = await probeDevice(device);
    if (device === 'cpu') cpu = probe;
    checks.push(deviceCheck(probe, cpu));
  }
  return checks;
}

function deviceCheck(probe: DeviceProbe, cpu: DeviceProbe | undefined): Check {
  const { device, works, milliseconds, why, mend } = probe;
  const speed =
    milliseconds === undefined ? '' : `, ${milliseconds.toFixed(1)} ms a 512 x 512 product`;
  const times = (cpu?.milliseconds ?? 0) / (milliseconds ?? Number.POSITIVE_INFINITY);
  const against =
    device === 'cpu' ? ' on one thread' : ` (${times.toPrecision(2)} times one CPU thread)`;
  return {
    name: device,
    ok: works,
    needed: device === 'cpu',
    detail: works ? `works${speed}${against}` : (why ?? 'unknown'),
    ...(mend !== undefined && { mend }),
  };
}

function cache(env: Readonly<Record<string, string | undefined>>): Check {
  try {
    const { folder, entries, byteLength, maxBytes } = statsOf(env);
    const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
    const detail = `${folder}, ${entries} entries, ${gigabytes(byteLength)} of ${gigabytes(maxBytes)} GB`;
    return { name: 'cache', ok: true, needed: false, detail };
  } catch (thrown) {
    return failed('cache', thrown, false);
  }
}

function rules(): Check {
  try {
    return { name: 'rules', ok: true, needed: true, detail: `${loadRules().length} rules` };
  } catch (thrown) {
    return failed('rules', thrown, true);
  }
}

function writable(name: string, folder: string): Check {
  try {
    accessSync(folder, constants.W_OK);
    return { name, ok: true, needed: false, detail: `${folder} is writable` };
  } catch (thrown) {
    return { ...failed(name, thrown, false), mend: 'Set TMPDIR to a folder of your own.' };
  }
}

function failed(name: string, thrown: unknown, needed: boolean): Check {
  return { name, ok: false, needed, detail: formatError(toScanError(thrown)) };
}
