/** The command that gives a result again, quoted so that a POSIX shell reads it as one command. */
import { visibleLine } from './safe-text.ts';

function shellQuote(argument: string): string {
  const line = visibleLine(argument);
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(line)
    ? line
    : `'${line.replaceAll("'", String.raw`'\''`)}'`;
}

export function shellCommand(argv: readonly string[]): string {
  return ['npx narrowfire', ...argv.map(shellQuote)].join(' ');
}
