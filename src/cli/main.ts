/** The command line: one commander tree, one place where errors become exit codes. */
import { Command, CommanderError } from 'commander';
import { formatError, ScanError, toScanError } from '../errors.ts';
import { EXIT } from '../finding/exit-code.ts';
import { VERSION } from '../version.ts';
import { addActivationsCommand } from './commands/activations.ts';
import { addAttributeCommand } from './commands/attribute.ts';
import { addBaselineCommand } from './commands/baseline.ts';
import { addCacheCommand } from './commands/cache.ts';
import { addCalibrateCommand } from './commands/calibrate.ts';
import { addCircuitCommand } from './commands/circuit.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addConvertCommands } from './commands/convert.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addExplainCommand } from './commands/explain.ts';
import { addFeaturesCommand } from './commands/features.ts';
import { addMonitorCommand } from './commands/monitor.ts';
import { addRedTeamCommand } from './commands/redteam.ts';
import { addRulesCommand } from './commands/rules.ts';
import { addSaeCommand } from './commands/sae.ts';
import { addScanCommand } from './commands/scan.ts';
import { addSchemaCommand } from './commands/schema.ts';
import { exitCodeOfError } from './exit.ts';
import { type Io, processIo } from './io.ts';

/** What commands get beside their options. */
export interface CommandHost {
  readonly io: Io;
  /** Sets the exit code of a command that ends without an error. */
  readonly exit: (code: number) => void;
}

const EXIT_CODES = `
Exit codes (the same in every format):
  0  nothing at or above --fail-on        3  nothing to scan
  1  findings at or above --fail-on       4  incomplete: something could not be looked at
  2  usage or configuration error         5  internal error          130  interrupted
`;

export function createProgram(host: CommandHost): Command {
  const program = new Command('narrowfire')
    .description('Finds backdoors in model artifacts before anyone runs them.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .addHelpCommand(
      new Command('help')
        .argument('[command]')
        .description('print help for a command')
        .helpGroup('This installation:'),
    )
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.io.stdout(text),
      writeErr: (text) => host.io.stderr(text),
      getOutHelpWidth: () => Math.min(host.io.columns, 110),
      getErrHelpWidth: () => Math.min(host.io.columns, 110),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', EXIT_CODES);
  program.commandsGroup('Look for backdoors:');
  addScanCommand(program, host);
  addCalibrateCommand(program, host);
  program.commandsGroup('Work with results:');
  addExplainCommand(program, host);
  addConvertCommands(program, host);
  addBaselineCommand(program, host);
  program.commandsGroup('Look into models:');
  addActivationsCommand(program, host);
  addSaeCommand(program, host);
  addFeaturesCommand(program, host);
  addAttributeCommand(program, host);
  addCircuitCommand(program, host);
  addMonitorCommand(program, host);
  addRedTeamCommand(program, host);
  program.commandsGroup('This installation:');
  addRulesCommand(program, host);
  addDoctorCommand(program, host);
  addCacheCommand(program, host);
  addSchemaCommand(program, host);
  addCompletionCommand(program, host);
  return program;
}

/** Runs one command. @returns the exit code; nothing is thrown. */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  let code: number = EXIT.ok;
  const program = createProgram({
    io,
    exit: (value) => {
      code = value;
    },
  });
  try {
    if (argv.length === 0) {
      program.outputHelp({ error: true });
      return EXIT.usage;
    }
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const error = toScanError(thrown);
    io.stderr(`${formatError(error)}\n`);
    if (!(thrown instanceof ScanError) && thrown instanceof Error && error.code === 'E_INTERNAL') {
      io.stderr(`${thrown.stack ?? ''}\n`);
    }
    return exitCodeOfError(error.code);
  }
}
