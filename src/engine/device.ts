/**
 * Which device the models run on. A device is there when a small product of matrices comes back right from it;
 * `auto` takes one only when it also beats a CPU thread clearly, so that a software renderer is never chosen.
 */
import { ScanError } from '../errors.ts';
import { Graph } from '../onnx/graph.ts';
import { missingFile } from './device-files.ts';
import { type Device, engineBuild, f32Output, Session } from './session.ts';

export type DeviceChoice = 'auto' | Device;

export interface DeviceProbe {
  readonly device: Device;
  readonly works: boolean;
  /** Milliseconds of the fastest of three products of 512 x 512 matrices, copies included. */
  readonly milliseconds?: number;
  /** Why it does not work, in one sentence. */
  readonly why?: string;
  /** A command, or what to install. */
  readonly mend?: string;
}

const SIDE = 512;
const MAX_ERROR = 1e-2;
/** How many times faster than one CPU thread a device must be for `auto`. */
const WORTHWHILE = 2;

/** Order in which `auto` tries. */
export function deviceOrder(platform: NodeJS.Platform = process.platform): readonly Device[] {
  if (platform === 'win32') return ['cuda', 'dml', 'webgpu', 'cpu'];
  if (platform === 'darwin') return ['coreml', 'webgpu', 'cpu'];
  return ['cuda', 'webgpu', 'cpu'];
}

/**
 * @throws ScanError `E_DEVICE` when a named device is not there, with the command that mends it
 */
export async function chooseDevice(choice: DeviceChoice): Promise<Device> {
  if (choice === 'cpu') return 'cpu';
  if (choice !== 'auto') {
    const probe = await probeDevice(choice);
    if (probe.works) return choice;
    throw new ScanError('E_DEVICE', `${choice} is not available: ${probe.why ?? 'unknown'}`, {
      hint: [probe.mend?.replace(/\.?$/, '.'), 'Or use --device cpu.'].filter(Boolean).join(' '),
    });
  }
  const cpu = await probeDevice('cpu');
  for (const device of deviceOrder()) {
    if (device === 'cpu') break;
    if (!mayExist(device)) continue;
    const probe = await probeDevice(device);
    if (probe.works && isWorthwhile(probe, cpu)) return device;
  }
  return 'cpu';
}

export function isWorthwhile(probe: DeviceProbe, cpu: DeviceProbe): boolean {
  if (probe.milliseconds === undefined || cpu.milliseconds === undefined) return false;
  return probe.milliseconds * WORTHWHILE <= cpu.milliseconds;
}

/** Whether the engine's binary knows the device at all; a probe then tells whether it works. */
function mayExist(device: Device): boolean {
  return engineBuild().providers.includes(device);
}

export async function probeDevice(device: Device): Promise<DeviceProbe> {
  if (!mayExist(device)) {
    const why = `ONNX Runtime for ${process.platform} ${process.arch} has no ${device} provider`;
    return { device, works: false, why };
  }
  const missing = missingFile(device);
  if (missing !== undefined) return { device, works: false, ...missing, ...mendOf(device) };
  try {
    const { error, milliseconds } = await runProduct(device);
    if (error <= MAX_ERROR) return { device, works: true, milliseconds };
    const why = `a product of matrices is wrong by ${error.toPrecision(2)}`;
    return { device, works: false, why, mend: 'Update the graphics driver.' };
  } catch (thrown) {
    const why = reasonOf(thrown instanceof Error ? thrown.message : String(thrown));
    return { device, works: false, why, ...mendOf(device) };
  }
}

async function runProduct(device: Device) {
  const g = new Graph();
  const dims = [SIDE, SIDE];
  const left = g.input('left', 'f32', dims);
  g.output('product', g.matmul(left, g.input('right', 'f32', dims)), 'f32', dims);
  const session = await Session.open(g, { device });
  try {
    const left = Float32Array.from({ length: SIDE * SIDE }, (_, i) => ((i * 7) % 13) / 13 - 0.5);
    const right = Float32Array.from({ length: SIDE * SIDE }, (_, i) => ((i * 5) % 11) / 11 - 0.5);
    const feeds = {
      left: { type: 'f32', data: left, dims },
      right: { type: 'f32', data: right, dims },
    } as const;
    let milliseconds = Number.POSITIVE_INFINITY;
    let error = 0;
    for (let round = 0; round < 4; round++) {
      const start = performance.now();
      const product = f32Output(await session.run(feeds), 'product');
      // The first run compiles shaders.
      if (round > 0) milliseconds = Math.min(milliseconds, performance.now() - start);
      error = Math.max(error, productError(left, right, product));
    }
    return { error, milliseconds };
  } finally {
    await session.close();
  }
}

/** Largest error over entries of a diagonal and a row. */
function productError(left: Float32Array, right: Float32Array, product: Float32Array): number {
  let worst = 0;
  for (let i = 0; i < SIDE; i++) {
    for (const [row, column] of [
      [i, i],
      [3, i],
    ] as const) {
      let expected = 0;
      for (let k = 0; k < SIDE; k++) {
        expected += (left[row * SIDE + k] as number) * (right[k * SIDE + column] as number);
      }
      const difference = Math.abs((product[row * SIDE + column] as number) - expected);
      if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
    }
  }
  return worst;
}

/** The sentence that matters out of an engine message with file names and stack. */
function reasonOf(message: string): string {
  const text = message.replace(/^the engine refused the graph: /, '');
  if (/adapter/i.test(text)) {
    return 'no WebGPU adapter was found';
  }
  return text.slice(0, 200);
}

function mendOf(device: Device): { readonly mend?: string } {
  if (device === 'cuda') {
    return {
      mend: 'With an NVIDIA driver, CUDA 12 and cuDNN 9: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node',
    };
  }
  if (device === 'webgpu') {
    const mend =
      process.platform === 'linux'
        ? 'Install a Vulkan driver for the GPU (Debian: apt-get install mesa-vulkan-drivers libvulkan1, Mesa 24 or newer).'
        : 'Update the graphics driver.';
    return { mend };
  }
  return {};
}
