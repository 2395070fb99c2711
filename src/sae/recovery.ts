/**
 * Loss recovered: how much of a model's next-token prediction survives when a site's values are replaced by what the
 * dictionary makes of them, between nothing (zeros) and everything (untouched). Definition: SAEBench `ce_loss_score`.
 */
import { type OpenGraph, openHere } from '../engine/open-graph.ts';
import { type Feeds, f32Output, floats, ids } from '../engine/session.ts';
import { runTextPass, type TextPass } from '../engine/text-pass.ts';
import { ScanError } from '../errors.ts';
import { emitLogits } from '../model/emit/forward.ts';
import {
  emitSpan,
  plainBatch,
  type Site,
  type Span,
  siteName,
} from '../model/graphs/activations.ts';
import { planLayers } from '../model/layer-groups.ts';
import type { ModelSpec } from '../model/spec.ts';
import { type Graph, int } from '../onnx/graph.ts';
import { type Dictionary, dictionaryBytes } from './dictionary.ts';
import { declareDictionary, emitDecode, emitEncode } from './emit.ts';

export interface LossRecovery {
  readonly tokens: number;
  /** Cross-entropy in nats a token. */
  readonly clean: number;
  readonly spliced: number;
  readonly zeroed: number;
  /** (zeroed - spliced) / (zeroed - clean). */
  readonly recovered: number;
}

const MODES = ['clean', 'spliced', 'zeroed'] as const;
type Mode = (typeof MODES)[number];
/** What becomes of the site's own value and of the rebuilt one. */
const WEIGHTS = { clean: [1, 0], spliced: [0, 1], zeroed: [0, 0] } as const;

/** Inputs `ids` [batch, length], `own` and `rebuilt` scalars: x' = own · x + rebuilt · xhat. Output `loss` [rows]. */
function spliceGraph(
  spec: ModelSpec,
  site: Site,
  dictionary: Dictionary,
  positions: number,
  span: Span,
): Graph {
  const batch = plainBatch(spec, positions);
  const { graph: g } = batch;
  const wanted = siteName(site);
  const x = emitSpan(batch, spec, span, {
    splitNorms: site.kind.endsWith('_normalized'),
    visit: (kind, layer, value) => {
      if (siteName({ kind, layer }) !== wanted) return value;
      const own = g.input('own', 'f32', []);
      const rebuilt = g.input('rebuilt', 'f32', []);
      const values = declareDictionary(g, dictionary);
      const output = emitDecode(g, values, emitEncode(g, values, value), value);
      return g.add(g.mul(value, own), g.mul(output, rebuilt));
    },
  });
  if (!span.last) return g;
  const targets = g.input('targets', 'i64', ['rows']);
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
  const open = options.open ?? openHere;
  const size = {
    blocks: spec.blocks.length,
    batchTokens: (options.rowsPerRun ?? 16) * length,
    length,
    totalTokens: MODES.length * sequences.length * length,
    head: true,
    extraBytes: dictionaryBytes(dictionary),
    extraFloats: 2 * spec.vocabularySize + 2 * dictionary.featureCount,
    keptFloats: 1,
  };
  const plan = planLayers(spec, size, open);
  const rowsPerRun = Math.max(1, Math.floor(plan.batchTokens / length));
  const jobs = [...spliceJobs(sequences, length, rowsPerRun)];
  const pass: TextPass = {
    plan,
    width: spec.width,
    graph: (span) => spliceGraph(spec, site, dictionary, length, span),
  };
  const totals = { clean: 0, spliced: 0, zeroed: 0 };
  const feeds = jobs.map((job) => job.feeds);
  await runTextPass(pass, open, feeds, (outputs, index) => {
    const mode = jobs[index]?.mode;
    if (outputs['loss'] === undefined || mode === undefined) return;
    f32Output(outputs, 'loss').forEach((value, row) => {
      if (row % length !== length - 1) totals[mode] += value;
    });
  });
  const tokens = sequences.length * (length - 1);
  const clean = totals.clean / tokens;
  const spliced = totals.spliced / tokens;
  const zeroed = totals.zeroed / tokens;
  return { tokens, clean, spliced, zeroed, recovered: (zeroed - spliced) / (zeroed - clean) };
}

interface SpliceJob {
  readonly mode: Mode;
  readonly feeds: Feeds;
}

/** Every batch in every mode. */
function* spliceJobs(
  sequences: readonly (readonly number[])[],
  length: number,
  rowsPerRun: number,
): Iterable<SpliceJob> {
  for (let start = 0; start < sequences.length; start += rowsPerRun) {
    const rows = sequences.slice(start, start + rowsPerRun);
    // The last position of a row has no target; it gets one that is not counted.
    const targets = rows.flatMap((row) => [...row.slice(1), 0]);
    for (const mode of MODES) {
      const [own, rebuilt] = WEIGHTS[mode];
      const feeds = {
        ids: ids(rows.flat(), [rows.length, length]),
        targets: ids(targets, [targets.length]),
        own: floats([own], []),
        rebuilt: floats([rebuilt], []),
      };
      yield { mode, feeds };
    }
  }
}
