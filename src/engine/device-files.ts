/**
 * Whether the system libraries that a device needs are installed at all. Asked first: without them the native
 * providers still give an error, but write lines of their own on stderr that no caller can catch.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import type { Device } from './session.ts';

export interface MissingFile {
  readonly why: string;
}

export function missingFile(
  device: Device,
  env: NodeJS.ProcessEnv = process.env,
): MissingFile | undefined {
  if (process.platform !== 'linux') return undefined;
  if (device === 'cuda' && !existsSync(join(engineFolder(), 'libonnxruntime_providers_cuda.so'))) {
    return { why: 'the CUDA libraries of ONNX Runtime are not installed' };
  }
  if (device === 'webgpu' && !libraryFolders(env).some(hasVulkan)) {
    return { why: 'the Vulkan loader libvulkan.so.1 is not installed' };
  }
  return undefined;
}

function hasVulkan(folder: string): boolean {
  return existsSync(join(folder, 'libvulkan.so.1'));
}

function engineFolder(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  return join(dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch);
}

function libraryFolders(env: NodeJS.ProcessEnv): readonly string[] {
  const machine = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const named = (env['LD_LIBRARY_PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const usual = [
    '/usr/lib',
    '/usr/lib64',
    '/lib',
    '/lib64',
    '/usr/local/lib',
    '/run/opengl-driver/lib',
  ];
  return [...named, `/usr/lib/${machine}`, `/lib/${machine}`, ...usual];
}
