/** `narrowfire completion`: static completion scripts, made from the command tree itself. */
import { Argument, type Command } from 'commander';
import type { CommandHost } from '../main.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

interface OptionEntry {
  readonly long: string;
  readonly short: string | undefined;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly description: string;
}

interface CommandEntry {
  /** `rules list`, or empty for the program itself. */
  readonly path: string;
  readonly description: string;
  readonly options: readonly OptionEntry[];
  readonly children: readonly CommandEntry[];
}

function entryOf(command: Command, parents: readonly string[]): CommandEntry {
  const options = command.options
    .filter((option) => !option.hidden && option.long !== undefined)
    .map((option) => ({
      long: option.long ?? '',
      short: option.short,
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
      description: option.description,
    }));
  const help = {
    long: '--help',
    short: '-h',
    takesValue: false,
    choices: [],
    description: 'print help',
  };
  return {
    path: parents.join(' '),
    description: command.summary() || command.description(),
    options: [...options, help],
    children: command.commands.map((child) => entryOf(child, [...parents, child.name()])),
  };
}

function flatten(entry: CommandEntry): readonly CommandEntry[] {
  return [entry, ...entry.children.flatMap(flatten)];
}

const nameOf = (entry: CommandEntry): string => entry.path.split(' ').at(-1) ?? '';
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function bash(root: CommandEntry): string {
  const cases = flatten(root).map((entry) => {
    const words = [...entry.children.map(nameOf), ...entry.options.map(({ long }) => long)];
    return `    ${quote(entry.path)}) words=${quote(words.join(' '))} ;;`;
  });
  const values = new Map<string, readonly string[]>();
  for (const option of flatten(root).flatMap((entry) => entry.options)) {
    if (option.choices.length > 0) values.set(option.long, option.choices);
  }
  const choices = [...values].map(
    ([long, words]) =>
      `    ${long}) COMPREPLY=($(compgen -W ${quote(words.join(' '))} -- "$current")); return ;;`,
  );
  const paths = flatten(root)
    .filter((entry) => entry.path !== '')
    .map((entry) => quote(entry.path));
  return `# bash completion for narrowfire: source it, or put it into /etc/bash_completion.d
_narrowfire() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' words='' word
  case $previous in
${choices.join('\n')}
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
      ${paths.join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case $path in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _narrowfire narrowfire
`;
}

function zsh(root: CommandEntry): string {
  const clean = (text: string) => text.replaceAll(/[[\]:'\\]/g, ' ');
  const option = (entry: OptionEntry): string => {
    const value =
      entry.choices.length > 0 ? `:value:(${entry.choices.join(' ')})` : ':value:_files';
    return quote(`${entry.long}[${clean(entry.description)}]${entry.takesValue ? value : ''}`);
  };
  const body = (entry: CommandEntry, depth: number): string => {
    const lines = entry.options.map((item) => `    ${option(item)} \\`);
    if (entry.children.length === 0)
      return `_arguments \\\n${lines.join('\n')}\n    '*:file:_files'`;
    const children = entry.children.map(
      (child) => `      ${quote(`${nameOf(child)}:${clean(child.description)}`)}`,
    );
    const cases = entry.children.map(
      (child) => `      ${nameOf(child)}) ${body(child, depth + 1)} ;;`,
    );
    return `if (( CURRENT == ${depth + 2} )); then
    local -a names=(\n${children.join('\n')}\n    )
    _describe command names
    _arguments \\\n${lines.join('\n')}\n    && return
  else
    case $words[${depth + 2}] in
${cases.join('\n')}
    esac
  fi`;
  };
  return `#compdef narrowfire\n_narrowfire() {\n  ${body(root, 0)}\n}\ncompdef _narrowfire narrowfire\n`;
}

function fish(root: CommandEntry): string {
  const lines: string[] = [];
  for (const entry of flatten(root)) {
    const words = entry.path === '' ? [] : entry.path.split(' ');
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    const names = entry.children.map(nameOf).join(' ');
    const fresh = names === '' ? '' : `not __fish_seen_subcommand_from ${names}`;
    const here = [seen, fresh].filter((part) => part !== '').join('; and ');
    for (const child of entry.children) {
      lines.push(
        `complete -c narrowfire -f -n ${quote(here)} -a ${nameOf(child)} -d ${quote(child.description)}`,
      );
    }
    for (const option of entry.options) {
      const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`;
      const values =
        option.choices.length > 0 ? ` -x -a ${quote(option.choices.join(' '))}` : ' -r';
      const condition = here === '' ? '' : ` -n ${quote(here)}`;
      lines.push(
        `complete -c narrowfire${condition} -l ${option.long.slice(2)}${short}${option.takesValue ? values : ''} -d ${quote(option.description)}`,
      );
    }
  }
  return `# fish completion for narrowfire\n${lines.join('\n')}\n`;
}

const SCRIPTS: Readonly<Record<Shell, (root: CommandEntry) => string>> = { bash, zsh, fish };

export function addCompletionCommand(program: Command, { io }: CommandHost): void {
  program
    .command('completion')
    .summary('print a completion script')
    .description('Prints a completion script for a shell.')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n  source <(narrowfire completion bash)\n  narrowfire completion zsh > ~/.zfunc/_narrowfire\n  narrowfire completion fish > ~/.config/fish/completions/narrowfire.fish\n',
    )
    .action((shell: Shell) => io.stdout(SCRIPTS[shell](entryOf(program, []))));
}
