/** Pickles, archives and decoders on mutated seeds: the bare readers many times, the whole file stage fewer times. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { readSevenZip } from '../../src/artifact/archive/seven-zip.ts';
import { readTar } from '../../src/artifact/archive/tar.ts';
import { readZip } from '../../src/artifact/archive/zip.ts';
import { MemorySource } from '../../src/artifact/byte-source.ts';
import { type ByteStream, Input } from '../../src/artifact/compression/byte-stream.ts';
import { bzip2Stream } from '../../src/artifact/compression/bzip2.ts';
import { expand } from '../../src/artifact/compression/expand.ts';
import { InflateStream } from '../../src/artifact/compression/inflate.ts';
import { lz4Stream } from '../../src/artifact/compression/lz4.ts';
import { lzmaAloneStream } from '../../src/artifact/compression/lzma.ts';
import { xzStream } from '../../src/artifact/compression/xz.ts';
import { zstdStream } from '../../src/artifact/compression/zstd.ts';
import { PickleMachine } from '../../src/artifact/pickle/machine.ts';
import type { PickleObserver } from '../../src/artifact/pickle/observer.ts';
import { PickleReader } from '../../src/artifact/pickle/reader.ts';
import { recognise } from '../../src/artifact/recognise.ts';
import { inspect } from '../../src/detect/files/inspect.ts';
import { ScanError } from '../../src/errors.ts';
import { lazyLists } from '../../src/judge/lists.ts';
import { FUZZ_LIMITS, type FuzzTarget, fuzz } from './mutate.ts';

const MAX_SEED_BYTES = 8_000;
const MAX_PRODUCED_BYTES = 2 ** 22;
const list = lazyLists();

function seeds(folder: string, pattern: RegExp, maxBytes = MAX_SEED_BYTES): Uint8Array[] {
  return readdirSync(folder)
    .toSorted()
    .filter((name) => pattern.test(name))
    .map((name) => readFileSync(join(folder, name)))
    .filter(({ byteLength }) => byteLength > 0 && byteLength <= maxBytes);
}

const GADGETS = 'rules/pickle-known-gadget/cases';
const CHECKPOINTS = 'test/fixtures/checkpoints';
const pickles = [...seeds(GADGETS, /\.pkl$/), ...seeds(CHECKPOINTS, /\.(pkl|dill|cloudpickle)$/)];
const zips = [
  ...seeds('rules/archive-readers-disagree/cases', /./),
  ...seeds(CHECKPOINTS, /\.pt$/),
];
const tars = seeds('rules/archive-leaves-folder/cases', /\.tar$/, 20_000).map((tar) =>
  tar.subarray(0, 3072),
);

const SILENT: PickleObserver = {
  imported: () => undefined,
  called: () => undefined,
  written: () => undefined,
  anomaly: () => undefined,
  expansion: () => undefined,
  bytesConstant: () => undefined,
  built: () => undefined,
  tick: () => undefined,
};

function decode(decoder: (input: Input) => ByteStream, bytes: Uint8Array): void {
  const source = new MemorySource(bytes, 'fuzz');
  expand(() => decoder(new Input(source)), 'fuzz', {
    spend: () => undefined,
    stop: (produced) =>
      produced > MAX_PRODUCED_BYTES ? new ScanError('E_LIMIT', 'enough') : undefined,
  });
}

function decoderTarget(name: string, decoder: (input: Input) => ByteStream): FuzzTarget {
  const codec = new RegExp(`positive-(joblib-${name}\\.joblib|${name}\\.)`);
  return { name: `${name} decoder`, seeds: seeds(GADGETS, codec), run: (b) => decode(decoder, b) };
}

/** The file stage keeps defects as gaps in the coverage; here each is a failure. */
function inspectBytes(bytes: Uint8Array): void {
  const { notCovered } = inspect(new MemorySource(bytes, 'fuzz'), 'fuzz', {
    list,
    limits: { maxMs: 10_000, maxProducedBytes: 2 ** 26 },
  });
  const defect = notCovered.find(({ why }) => /^E_(INTERNAL|TIMEOUT|IO)/.test(why));
  if (defect !== undefined) throw new Error(defect.why);
}

const READERS: readonly FuzzTarget[] = [
  {
    name: 'pickle machine',
    seeds: pickles,
    run: (bytes) =>
      void new PickleMachine(new PickleReader(new MemorySource(bytes, 'fuzz')), SILENT).run(),
  },
  {
    name: 'recognition',
    seeds: [...pickles, ...zips, ...tars],
    run: (bytes) => void recognise(new MemorySource(bytes, 'fuzz'), 'fuzz.pt'),
  },
  { name: 'zip', seeds: zips, run: (bytes) => void readZip(new MemorySource(bytes, 'fuzz')) },
  { name: 'tar', seeds: tars, run: (bytes) => void readTar(new MemorySource(bytes, 'fuzz')) },
];

const DECODERS: readonly FuzzTarget[] = [
  {
    name: '7z',
    seeds: seeds(GADGETS, /\.7z$/),
    run: (bytes) =>
      void readSevenZip(new MemorySource(bytes, 'fuzz'), {
        spend: () => undefined,
        stop: (produced) =>
          produced > MAX_PRODUCED_BYTES ? new ScanError('E_LIMIT', 'enough') : undefined,
      }),
  },
  decoderTarget('gzip', (input) => new InflateStream(input, 'gzip')),
  decoderTarget('zlib', (input) => new InflateStream(input, 'zlib')),
  decoderTarget('bz2', bzip2Stream),
  decoderTarget('xz', xzStream),
  decoderTarget('lzma', lzmaAloneStream),
  decoderTarget('lz4', lz4Stream),
  decoderTarget('zstd', zstdStream),
];

const WHOLE: readonly FuzzTarget[] = [
  { name: 'pickle files', seeds: pickles, run: inspectBytes },
  { name: '7z files', seeds: seeds(GADGETS, /\.7z$/), run: inspectBytes },
  { name: 'torch files', seeds: [...zips, ...seeds(GADGETS, /\.pth?$/)], run: inspectBytes },
  {
    name: 'joblib files',
    seeds: [...seeds(GADGETS, /\.joblib$/), ...seeds(CHECKPOINTS, /joblib/)],
    run: inspectBytes,
  },
  {
    name: 'numpy files',
    seeds: [...seeds(GADGETS, /\.np[yz]$/), ...seeds(CHECKPOINTS, /\.np[yz]$/)],
    run: inspectBytes,
  },
];

describe('mutated containers', () => {
  it.each(READERS.map((target) => [target.name, target] as const))(
    '%s',
    { timeout: 3_600_000 },
    (_name, target) => {
      fuzz(target);
    },
  );

  // A decoder spends its time on output, so fewer inputs take as long.
  it.each(DECODERS.map((target) => [target.name, target] as const))(
    '%s',
    { timeout: 3_600_000 },
    (_name, target) => {
      fuzz(target, { ...FUZZ_LIMITS, iterations: Math.ceil(FUZZ_LIMITS.iterations / 10) });
    },
  );

  it.each(WHOLE.map((target) => [target.name, target] as const))(
    '%s, whole file stage',
    { timeout: 3_600_000 },
    (_name, target) => {
      fuzz(target, { ...FUZZ_LIMITS, iterations: Math.ceil(FUZZ_LIMITS.iterations / 40) });
    },
  );
});
