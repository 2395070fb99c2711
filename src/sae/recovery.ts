/**
 * Loss recovered: how much of a model's next-token prediction survives when a site's values are replaced by what the
 * dictionary makes of them, between nothing (zeros) and everything (untouched). Definition: SAEBench `ce_loss_score`.
 */
import { f32Output, floats, ids } from '../engine/session.ts';
import { ScanError } from '../errors.ts';
import { emitForward, emitLogits } from '../model/emit/forward.ts';
import { plainBatch, type Site, siteName } from '../model/graphs/activations.ts';
import type { ModelSpec } from '../model/spec.ts';
import { type Graph, int } from '../onnx/graph.ts';
import type { Dictionary } from './dictionary.ts';
import { declareDictionary, emitDecode, emitEncode } from './emit.ts';
import { type OpenGraph, openHere } from './runner.ts';

export interface LossRecovery {
  readonly tokens: number;
  /** Cross-entropy in nats a token. */
  readonly clean: number;
  readonly spliced: number;
  readonly zeroed: number;
  /** (zeroed - spliced) / (zeroed - clean). */
  readonly recovered: number;
}

/** Inputs `ids` [batch, length], `own` and `rebuilt` scalars: x' = own · x + rebuilt · xhat. Output `loss` [rows]. */
function spliceGraph(
  spec: ModelSpec,
  site: Site,
  dictionary: Dictionary,
  positions: number,
): Graph {
  const { graph: g, ids: tokens, rows } = plainBatch(spec, positions);
  const own = g.input('own', 'f32', []);
  const rebuilt = g.input('rebuilt', 'f32', []);
  const targets = g.input('targets', 'i64', ['rows']);
  const values = declareDictionary(g, dictionary);
  const wanted = siteName(site);
  const x = emitForward(g, spec, tokens, rows, {
    splitNorms: site.kind.endsWith('_normalized'),
    visit: (kind, layer, value) => {
      if (siteName({ kind, layer }) !== wanted) return value;
      const output = emitDecode(g, values, emitEncode(g, values, value), value);
      return g.add(g.mul(value, own), g.mul(output, rebuilt));
    },
  });
  const logs = g.op('LogSoftmax', [emitLogits(g, spec, x)], { axis: int(-1) });
  const picked = g.op('GatherElements', [logs, g.unsqueeze(targets, [1])], { axis: int(1) });
  g.output('loss', g.op('Neg', [g.op('Squeeze', [picked, g.i64([1])])]), 'f32', ['rows']);
  return g;
}

/**
 * @param sequences rows of token ids, all of one length of at least two
 * @param rowsPerRun sequences a run
 */
export async function measureRecovery(
  spec: ModelSpec,
  site: Site,
  dictionary: Dictionary,
  sequences: readonly (readonly number[])[],
  options: { readonly open?: OpenGraph; readonly rowsPerRun?: number } = {},
): Promise<LossRecovery> {
  const length = sequences[0]?.length ?? 0;
  if (length < 2 || sequences.some((row) => row.length !== length)) {
    throw new ScanError('E_SAE', 'loss recovery needs sequences of one length of at least two');
  }
  const graph = await (options.open ?? openHere)(spliceGraph(spec, site, dictionary, length));
  const totals = { clean: 0, spliced: 0, zeroed: 0 };
  const modes = { clean: [1, 0], spliced: [0, 1], zeroed: [0, 0] } as const;
  const rowsPerRun = options.rowsPerRun ?? 16;
  try {
    for (let start = 0; start < sequences.length; start += rowsPerRun) {
      const rows = sequences.slice(start, start + rowsPerRun);
      // The last position of a row has no target; it gets one that is not counted.
      const targets = rows.flatMap((row) => [...row.slice(1), 0]);
      for (const mode of ['clean', 'spliced', 'zeroed'] as const) {
        const outputs = await graph.run({
          ids: ids(rows.flat(), [rows.length, length]),
          targets: ids(targets, [targets.length]),
          own: floats([modes[mode][0]], []),
          rebuilt: floats([modes[mode][1]], []),
        });
        f32Output(outputs, 'loss').forEach((value, row) => {
          if (row % length !== length - 1) totals[mode] += value;
        });
      }
    }
  } finally {
    await graph.close();
  }
  const tokens = sequences.length * (length - 1);
  const clean = totals.clean / tokens;
  const spliced = totals.spliced / tokens;
  const zeroed = totals.zeroed / tokens;
  return { tokens, clean, spliced, zeroed, recovered: (zeroed - spliced) / (zeroed - clean) };
}
