/** `narrowfire activations`: values of chosen sites for given ids, to check the engine against one's own framework. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { writeSafetensors } from '../../artifact/safetensors-writer.ts';
import { chooseDevice, type DeviceChoice } from '../../engine/device.ts';
import { onDevice } from '../../engine/open-graph.ts';
import { f32Output, ids as feed } from '../../engine/session.ts';
import { runTextPass, type TextPass } from '../../engine/text-pass.ts';
import { ScanError, toScanError } from '../../errors.ts';
import { activationsGraph } from '../../model/graphs/activations.ts';
import { activationsSize, planLayers } from '../../model/layer-groups.ts';
import { type Model, openModel } from '../../model/open-model.ts';
import { placeName, resolvePlace } from '../../model/site-names.ts';
import type { TextFrame } from '../../model/tokenizer.ts';
import { DEVICES } from '../config.ts';
import type { Io } from '../io.ts';
import type { CommandHost } from '../main.ts';
import { planText } from '../memory-text.ts';
import { byteSize } from '../option-parsers.ts';

interface ActivationFlags {
  readonly ids?: string;
  readonly text?: string;
  readonly special?: boolean;
  readonly sites: string;
  readonly out: string;
  readonly device: DeviceChoice;
  readonly memory?: number;
  readonly base?: string;
}

const EXAMPLES = `
Examples:
  narrowfire activations ./model --ids 1,2,3 --sites resid_post.3,mlp_out.2,logits --out a.safetensors
  narrowfire activations ./model --text 'Once upon a time' --special --sites blocks.3.hook_resid_post --out a.safetensors
  narrowfire activations ./model --ids 1,2,3 --sites model.layers.3.output --out a.safetensors

Sites are named as here (resid_post.3), as in TransformerLens (blocks.3.hook_resid_post) or as transformers' modules
(model.layers.3.output). The file holds each site under the name you gave, [tokens, width], and the ids.
`;

const NO_FRAME: TextFrame = { before: [], after: [] };

export function addActivationsCommand(program: Command, host: CommandHost): void {
  program
    .command('activations')
    .summary("write a model's inner values for given tokens")
    .description("Writes a model's inner values for given tokens as safetensors.")
    .argument('<model>', 'model folder')
    .addOption(new Option('--ids <list>', 'token ids, as in 1,2,3').conflicts('text'))
    .option('--text <text>', 'text; its tokens are printed on stderr')
    .option('--special', "put the tokenizer's special tokens around the text")
    .option('--sites <list>', 'sites, separated by commas', 'logits')
    .requiredOption('-o, --out <file>', 'safetensors file to write')
    .addOption(
      new Option('--device <name>', 'where the model runs').choices(DEVICES).default('cpu'),
    )
    .option(
      '--memory <size>',
      'most memory to use; a larger model runs in groups of layers',
      byteSize,
    )
    .addHelpText('after', EXAMPLES)
    .action(async (folder: string, flags: ActivationFlags) => {
      await runActivations(folder, flags, host.io);
    });
}

async function runActivations(folder: string, flags: ActivationFlags, io: Io): Promise<void> {
  const base = flags.base === undefined ? {} : { base: resolve(io.cwd, flags.base) };
  const model = openModel(resolve(io.cwd, folder), base);
  const names = flags.sites.split(',').map((name) => name.trim());
  const places = new Map(names.map((name) => [name, resolvePlace(model.spec, name)] as const));
  const ids = tokensOf(model, flags);
  if (flags.text !== undefined) io.stderr(`tokens: ${ids.join(',')}\n`);
  const sites = [...places.values()].filter((place) => place !== 'logits');
  const logits = [...places.values()].includes('logits');
  const count = ids.length;
  const text = { batchTokens: count, length: count, totalTokens: count };
  const open = onDevice(await chooseDevice(flags.device), flags.memory);
  const plan = planLayers(model.spec, activationsSize(model.spec, sites, logits, text), open);
  io.stderr(`${planText(plan)}\n`);
  model.weights.checkUnchanged();
  const values = new Map<string, Float32Array>();
  const pass: TextPass = {
    plan,
    width: model.spec.width,
    graph: (span) => activationsGraph(model.spec, sites, { logits, positions: count, span }),
  };
  await runTextPass(pass, open, [{ ids: feed(ids, [1, count]) }], (outputs) => {
    for (const name of Object.keys(outputs)) values.set(name, f32Output(outputs, name));
  });
  const tensors = [...places].map(([name, place]) => {
    const data = values.get(placeName(place)) ?? new Float32Array();
    return { name, shape: [count, data.length / count], data };
  });
  try {
    writeSafetensors(
      resolve(io.cwd, flags.out),
      [...tensors, { name: 'ids', shape: [ids.length], data: BigInt64Array.from(ids, BigInt) }],
      Object.fromEntries([...places].map(([name, place]) => [name, placeName(place)])),
    );
  } catch (thrown) {
    throw new ScanError('E_OUTPUT', toScanError(thrown).message, {
      file: flags.out,
      cause: thrown,
    });
  }
  io.stderr(`${flags.out}: ${tensors.map(({ name, shape }) => `${name} [${shape}]`).join(', ')}\n`);
}

/** @throws ScanError `E_USAGE` for ids that the model has no row for, or more than it has positions */
function tokensOf({ spec, tokenizer }: Model, flags: ActivationFlags): number[] {
  const { before, after } = flags.special === true ? tokenizer.frame : NO_FRAME;
  const ids =
    flags.text === undefined
      ? parseIds(flags.ids)
      : [...before, ...tokenizer.encode(flags.text), ...after];
  const wrong = ids.find((id) => id >= spec.vocabularySize);
  if (wrong !== undefined) {
    throw new ScanError('E_USAGE', `id ${wrong} is beyond the ${spec.vocabularySize} tokens`);
  }
  if (ids.length === 0) throw new ScanError('E_USAGE', 'no tokens were given');
  if (ids.length > spec.maxPositions) {
    throw new ScanError('E_USAGE', `${ids.length} tokens, the model takes ${spec.maxPositions}`);
  }
  return ids;
}

function parseIds(text: string | undefined): number[] {
  if (text === undefined) throw new ScanError('E_USAGE', 'give --ids or --text');
  return text.split(',').map((part) => {
    const id = Number(part);
    if (/^\s*\d+\s*$/.test(part) && Number.isSafeInteger(id)) return id;
    throw new ScanError('E_USAGE', `${JSON.stringify(part)} is not a token id`);
  });
}
