/**
 * How fast a list of models is scanned: `npm run bench:list [-- --models N --workers N]`. Generates small model
 * folders of the kind that hubs are full of, scans them as a list in worker threads, and reports models a second
 * and core, peak memory, and what four million models would cost. A second run with large tokenizers tells how much
 * of the cost they are.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { scanListInPool } from '../src/scan/list-pool.ts';
import { ORDINARY_TEMPLATES } from '../test/cases/repository/ordinary-templates.ts';

const HUB_MODELS = 4_000_000;

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: '10000' },
    'large-models': { type: 'string', default: '200' },
    workers: { type: 'string', default: String(availableParallelism()) },
  },
});
const workers = Number(values.workers);

interface Measured {
  readonly what: string;
  readonly models: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMebibytes: number;
  readonly verdicts: Readonly<Record<string, number>>;
}

function safetensors(tensors: number, bytesEach: number): Buffer {
  const header: Record<string, unknown> = {};
  for (let i = 0; i < tensors; i += 1) {
    const data_offsets = [i * bytesEach, (i + 1) * bytesEach];
    header[`model.layers.${i}.weight`] = { dtype: 'F32', shape: [bytesEach / 4], data_offsets };
  }
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.byteLength));
  return Buffer.concat([prefix, text, Buffer.alloc(tensors * bytesEach, 1)]);
}

function tokenizer(size: number): string {
  const vocab = Object.fromEntries(
    Array.from({ length: size }, (_, i) => [`tok${i.toString(36)}`, i]),
  );
  const merges = Array.from({ length: size }, (_, i) => `t ok${i.toString(36)}`);
  const added_tokens = [{ id: 0, content: 'tok0', special: true }];
  return JSON.stringify({ version: '1.0', added_tokens, model: { type: 'BPE', vocab, merges } });
}

function generate(root: string, count: number, vocabulary: number): string {
  const templates = Object.values(ORDINARY_TEMPLATES);
  const weights = safetensors(120, 64);
  const tokens = tokenizer(vocabulary);
  const list: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const folder = join(root, String(i % 100), `model-${i}`);
    mkdirSync(folder, { recursive: true });
    const config = {
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      vocab_size: vocabulary,
    };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    writeFileSync(
      join(folder, 'generation_config.json'),
      '{"do_sample": true, "temperature": 0.7}',
    );
    writeFileSync(join(folder, 'tokenizer.json'), tokens);
    const chat_template = templates[i % templates.length];
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ chat_template }));
    writeFileSync(join(folder, 'README.md'), `# Model ${i}\n\nAn ordinary model.\n`.repeat(20));
    writeFileSync(join(folder, 'model.safetensors'), weights);
    list.push(folder);
  }
  const path = join(root, 'list.txt');
  writeFileSync(path, list.join('\n'));
  return path;
}

async function measure(what: string, count: number, vocabulary: number): Promise<Measured> {
  const root = mkdtempSync(join(tmpdir(), 'narrowfire-bench-'));
  try {
    const list = generate(root, count, vocabulary);
    let peak = 0;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 200);
    const started = performance.now();
    const cpuBefore = process.cpuUsage();
    const summary = await scanListInPool({
      list,
      output: join(root, 'results.jsonl'),
      journal: join(root, 'journal.json'),
      workers,
      settings: { failOn: 'error', today: '2026-01-01', ruleFolders: [] },
    });
    const cpu = process.cpuUsage(cpuBefore);
    clearInterval(watch);
    return {
      what,
      models: summary.done,
      seconds: (performance.now() - started) / 1000,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
      peakMebibytes: peak / 2 ** 20,
      verdicts: summary.verdicts,
    };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function report({ what, models, seconds, cpuSeconds, peakMebibytes, verdicts }: Measured): void {
  const perCore = models / cpuSeconds;
  const hours = HUB_MODELS / perCore / 3600;
  process.stdout.write(
    [
      `${what}: ${models} models, ${workers} workers on ${cpus()[0]?.model ?? 'unknown'}`,
      `  ${(models / seconds).toFixed(1)} models a second, ${perCore.toFixed(1)} a processor second`,
      `  ${seconds.toFixed(1)} s wall, ${cpuSeconds.toFixed(1)} s processor, peak ${peakMebibytes.toFixed(0)} MiB`,
      `  verdicts ${JSON.stringify(verdicts)}`,
      `  four million such models: ${hours.toFixed(0)} processor hours`,
      '',
    ].join('\n'),
  );
}

report(await measure('small tokenizers (512 tokens)', Number(values.models), 512));
const large = Number(values['large-models']);
if (large > 0) report(await measure('large tokenizers (128,000 tokens)', large, 128_000));
