/**
 * One measurement in a process of its own, so that its peak memory is its own: `child.ts JOB.json`. Prints "ready",
 * answers "round" on stdin with the CPU seconds of one pass, and ends with its peak memory.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Engine } from '../../src/engine/engine.ts';
import { f32Output, floats, ids, Session } from '../../src/engine/session.ts';
import { emitForward, emitLogits } from '../../src/model/emit/forward.ts';
import { describeModel } from '../../src/model/families/registry.ts';
import { activationsGraph, plainBatch } from '../../src/model/graphs/activations.ts';
import { embedGraph } from '../../src/model/graphs/embed.ts';
import { lastPosition, prefixedRows } from '../../src/model/graphs/prefixed.ts';
import { readModelConfig } from '../../src/model/model-files.ts';
import type { ModelSpec } from '../../src/model/spec.ts';
import { FloatCache } from '../../src/model/weights/float-cache.ts';
import { withInt8 } from '../../src/model/weights/int8-copy.ts';
import { openWeights } from '../../src/model/weights.ts';
import { Graph, type Value } from '../../src/onnx/graph.ts';
import { declareDictionary, emitEncode } from '../../src/sae/emit.ts';
import { loadSae } from '../../src/sae/formats/registry.ts';
import type { Job } from './job.ts';

const job = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Job;
const spec = describeModel(readModelConfig(job.model), openWeights(job.model));

interface Runner {
  /** @returns tokens or candidates done */
  round(): Promise<number>;
  end?(): Promise<void>;
}

function someIds(count: number, vocabulary: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (i * 7919 + 13) % vocabulary);
}

/** SAE pass with what SAELens' side computes: count, sum and largest value of every feature. */
function basicPass(model: ModelSpec, sae: string, layer: number, positions: number): Graph {
  const { graph: g, ids: input, rows } = plainBatch(model, positions);
  const x = emitForward(g, model, input, rows, { blocks: layer });
  const { features } = emitEncode(g, declareDictionary(g, loadSae(sae)), x);
  const fires = g.cast(g.op('Greater', [features, g.f32(0)]), 'f32');
  const over = (kind: 'Sum' | 'Max', value: Value) => g.reduce(kind, value, [0], false);
  g.output('count', over('Sum', fires), 'f32', ['features']);
  g.output('sum', over('Sum', features), 'f32', ['features']);
  g.output('max', over('Max', features), 'f32', ['features']);
  return g;
}

/** Floating-point operations a CPU second of one large product, the floor under everything else. */
async function productFlops(): Promise<number> {
  const [rows, inner, columns] = [256, 768, 24_576];
  const g = new Graph();
  const right = g.f32(new Float32Array(inner * columns).fill(0.5), [inner, columns]);
  const product = g.matmul(g.input('left', 'f32', [rows, inner]), right);
  // Read nowhere else, but it must leave the graph: its largest entries are enough.
  g.output('largest', g.reduce('Max', product, [1], false), 'f32', [rows]);
  const session = await Session.open(g, { device: 'cpu' });
  const left = floats(new Float32Array(rows * inner).fill(0.1), [rows, inner]);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 8; round++) {
    const cpu = process.cpuUsage();
    await session.run({ left });
    const { user, system } = process.cpuUsage(cpu);
    best = Math.min(best, (user + system) / 1e6);
  }
  await session.close();
  return (2 * rows * inner * columns) / best;
}

async function saePass(of: Extract<Job, { kind: 'sae' }>): Promise<Runner> {
  const bytes = readFileSync(of.tokens);
  const tokens = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const session = await Session.open(basicPass(spec, of.sae, of.layer, of.length), {
    device: 'cpu',
  });
  const size = of.batch * of.length;
  const totals = { count: [] as number[], sum: [] as number[], max: [] as number[] };
  return {
    round: async () => {
      for (const name of ['count', 'sum', 'max'] as const) totals[name] = [];
      for (let at = 0; at < tokens.length; at += size) {
        const feed = ids(tokens.slice(at, at + size), [of.batch, of.length]);
        const outputs = await session.run({ ids: feed });
        for (const name of ['count', 'sum', 'max'] as const) {
          const known = totals[name];
          f32Output(outputs, name).forEach((value, i) => {
            known[i] = name === 'max' ? Math.max(known[i] ?? 0, value) : (known[i] ?? 0) + value;
          });
        }
      }
      return tokens.length;
    },
    end: async () => {
      const { count, sum, max } = totals;
      writeFileSync(
        of.result,
        new Uint8Array(Float32Array.from([...count, ...sum, ...max]).buffer),
      );
      await session.close();
    },
  };
}

async function plainPass(of: Extract<Job, { kind: 'plain' }>): Promise<Runner> {
  const sites = [{ kind: 'resid_post', layer: (of.blocks ?? spec.blocks.length) - 1 }] as const;
  const run = of.int8 === undefined ? spec : withInt8(spec, new FloatCache(of.int8));
  const graph = activationsGraph(run, sites, { logits: false, positions: of.length });
  const feed = {
    ids: ids(someIds(of.batch * of.length, spec.vocabularySize), [of.batch, of.length]),
  };
  if (of.workers !== undefined) {
    const engine = new Engine({ workers: of.workers });
    const plan = engine.plan(graph);
    return {
      round: async () => {
        const jobs = Array.from({ length: of.batches }, () => feed);
        await engine.runAll(plan, jobs, () => undefined);
        return of.batches * of.batch * of.length;
      },
      end: () => engine.close(),
    };
  }
  const session = await Session.open(graph, { device: 'cpu' });
  return {
    round: async () => {
      for (let i = 0; i < of.batches; i++) await session.run(feed);
      return of.batches * of.batch * of.length;
    },
    end: () => session.close(),
  };
}

/** One token after a context, for many tokens: logits of the last position, of which the largest leaves the graph. */
async function sweep(of: Extract<Job, { kind: 'sweep' }>): Promise<Runner> {
  const candidates = of.candidates;
  const context = someIds(of.context, spec.vocabularySize);
  if (of.shared) {
    const parts = prefixedRows(spec, of.context + 4);
    const { graph: g } = parts;
    const x = emitForward(g, spec, parts.ids, parts.rows, {});
    const last = lastPosition(g, x, parts.stringLength, spec.width);
    g.output('best', g.reduce('Max', emitLogits(g, spec, last), [1], false), 'f32', ['rows']);
    const session = await Session.open(g, { device: 'cpu' });
    return {
      round: async () => {
        for (let at = 0; at < candidates; at += of.batch) {
          const rows = Math.min(of.batch, candidates - at);
          await session.run({
            contexts: ids(context, [1, of.context]),
            strings: ids(
              Int32Array.from({ length: rows }, (_, i) => at + i),
              [rows, 1],
            ),
            padding: ids(new Int32Array(rows), [rows]),
          });
        }
        return candidates;
      },
      end: () => session.close(),
    };
  }
  const { graph: g, ids: input, rows: batchRows } = plainBatch(spec, of.context + 1);
  const x = emitForward(g, spec, input, batchRows, {});
  g.output('best', g.reduce('Max', emitLogits(g, spec, x), [1], false), 'f32', ['rows']);
  const session = await Session.open(g, { device: 'cpu' });
  return {
    round: async () => {
      for (let at = 0; at < candidates; at += of.batch) {
        const rows = Math.min(of.batch, candidates - at);
        const texts = Array.from({ length: rows }, (_, i) => [...context, at + i]).flat();
        await session.run({ ids: ids(Int32Array.from(texts), [rows, of.context + 1]) });
      }
      return candidates;
    },
    end: () => session.close(),
  };
}

/** Every token of an encoder's vocabulary inside a short text. */
async function encoderSweep(of: Extract<Job, { kind: 'encoder' }>): Promise<Runner> {
  const graph = embedGraph(spec, { positions: of.length, padded: false });
  const session = await Session.open(graph, { device: 'cpu' });
  const text = someIds(of.length, spec.vocabularySize);
  return {
    round: async () => {
      for (let at = 0; at < of.candidates; at += of.batch) {
        const rows = Math.min(of.batch, of.candidates - at);
        const feed = new Int32Array(rows * of.length);
        for (let row = 0; row < rows; row++) {
          feed.set(text, row * of.length);
          feed[row * of.length + 2] = at + row;
        }
        await session.run({ ids: ids(feed, [rows, of.length]) });
      }
      return of.candidates;
    },
    end: () => session.close(),
  };
}

function prepare(): Promise<Runner> {
  switch (job.kind) {
    case 'sae':
      return saePass(job);
    case 'plain':
      return plainPass(job);
    case 'sweep':
      return sweep(job);
    case 'encoder':
      return encoderSweep(job);
  }
}

const opened = performance.now();
const runner = await prepare();
const ready = performance.now() - opened;
const flops = job.kind === 'sae' ? { productFlops: await productFlops() } : {};
const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
say({ ready: true, openMs: ready, ...flops });
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== 'round') break;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const done = await runner.round();
  const { user, system } = process.cpuUsage(cpu);
  say({ cpuSeconds: (user + system) / 1e6, wallSeconds: (performance.now() - start) / 1e3, done });
}
await runner.end?.();
say({ peakBytes: process.resourceUsage().maxRSS * 1024 });
