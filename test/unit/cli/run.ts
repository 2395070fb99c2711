/** Runs the command line in this process and collects what it says. */
import { main } from '../../../src/cli/main.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function run(
  argv: readonly string[],
  world: {
    readonly cwd?: string;
    readonly env?: Record<string, string>;
    readonly now?: string;
  } = {},
): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const code = await main(argv, {
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    env: world.env ?? {},
    cwd: world.cwd ?? '/',
    stdoutIsTty: false,
    stderrIsTty: false,
    columns: 100,
    now: () => world.now ?? '2026-11-21T00:00:00.000Z',
  });
  return { code, stdout, stderr };
}
