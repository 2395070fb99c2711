/** `narrowfire baseline`: writes down what a result found, so that only new findings fail the next scan. */
import type { Command } from 'commander';
import { formatBaseline } from '../../judge/baseline.ts';
import { readResult } from '../../report/read-result.ts';
import { writeReport } from '../../report/write-report.ts';
import type { CommandHost } from '../main.ts';

const EXAMPLES = `
Examples:
  narrowfire scan ./models --output json=result.json
  narrowfire baseline result.json -o baseline.json
  narrowfire scan ./models --baseline baseline.json        only new findings fail
`;

export function addBaselineCommand(program: Command, { io }: CommandHost): void {
  program
    .command('baseline')
    .summary('accept what a stored result found')
    .description('Makes a baseline of a stored result (JSON), for scan --baseline.')
    .argument('<result>', 'result JSON of an earlier scan')
    .option('-o, --output <file>', 'write to a file instead of stdout')
    .addHelpText('after', EXAMPLES)
    .action((file: string, flags: { readonly output?: string }) => {
      const text = formatBaseline(readResult(file));
      if (flags.output === undefined) io.stdout(text);
      else writeReport(flags.output, [text]);
    });
}
