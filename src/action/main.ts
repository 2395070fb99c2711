/** Entry of the action's steps: `plan` before the cache is restored, `scan` after. */
import { EXIT } from '../finding/exit-code.ts';
import type { Environment } from './inputs.ts';
import { type ActionIo, planAction, runAction } from './run-action.ts';

/** @returns the exit code of the step: findings are not its failure, the last step of the action says them. */
export async function runStep(step: string, env: Environment, io: ActionIo): Promise<number> {
  if (step === 'plan') return planAction(env, io);
  if (step !== 'scan') {
    io.stdout('narrowfire-action plan|scan\n');
    return EXIT.usage;
  }
  const code = await runAction(env, io);
  const couldNotRun = code === EXIT.usage || code === EXIT.internal;
  return couldNotRun ? code : EXIT.ok;
}
