/** TFLite, TensorFlow, Core ML and MessagePack readers on files of their frameworks. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemorySource } from '../../../src/artifact/byte-source.ts';
import { visitCoreml } from '../../../src/artifact/coreml/reader.ts';
import { walkMsgpack } from '../../../src/artifact/msgpack.ts';
import { visitSavedModel } from '../../../src/artifact/tensorflow/reader.ts';
import { readTflite } from '../../../src/artifact/tflite/reader.ts';

const file = (name: string): MemorySource =>
  new MemorySource(readFileSync(`test/fixtures/frameworks/${name}`), name);

describe('readTflite', () => {
  it('reads operators and counts tensors', () => {
    const model = readTflite(file('ordinary/affine.tflite'));
    expect(model.version).toBe(3);
    expect(model.tensorCount).toBeGreaterThan(2);
    expect(model.operators.every(({ customName }) => customName === undefined)).toBe(true);
  });

  it('names custom operators', () => {
    const { operators } = readTflite(file('hostile/flex-read.tflite'));
    expect(operators.map(({ customName }) => customName)).toContain('FlexReadFile');
  });

  it('refuses offsets that leave the file', () => {
    const bytes = Buffer.from(readFileSync('test/fixtures/frameworks/ordinary/affine.tflite'));
    bytes.writeUInt32LE(0x7fff_fff0, 0);
    expect(() => readTflite(new MemorySource(bytes, 'x'))).toThrow(/bytes wanted/);
  });
});

describe('visitSavedModel', () => {
  it('sees nodes of functions and the path that a constant gives', () => {
    const operators = new Map<string, string | undefined>();
    const scopes: string[] = [];
    visitSavedModel(file('hostile/saved-model-files/saved_model.pb'), {
      check: () => undefined,
      scope: (name, kind) => void scopes.push(`${kind}:${name}`),
      node: ({ operator, texts }) => void operators.set(operator, texts.get('value')),
      asset: () => undefined,
    });
    expect([...operators.keys()]).toEqual(
      expect.arrayContaining(['ReadFile', 'WriteFile', 'SaveV2']),
    );
    expect(scopes[0]).toBe('graph:');
    expect(scopes.length).toBeGreaterThan(2);
  });
});

describe('visitCoreml', () => {
  function visit(name: string): string[] {
    const seen: string[] = [];
    visitCoreml(file(name), {
      check: () => undefined,
      custom: (kind, className) => void seen.push(`${kind} ${className}`),
      file: (purpose, target) => void seen.push(`${purpose} ${target}`),
      metadata: () => undefined,
    });
    return seen;
  }

  it('finds custom layers and nothing in ordinary models', () => {
    expect(visit('hostile/custom-layer.mlmodel')).toEqual(['layer MyRelu']);
    expect(visit('ordinary/network.mlmodel')).toEqual([]);
  });
});

describe('walkMsgpack', () => {
  const walk = (bytes: readonly number[]) => {
    const texts: string[] = [];
    const visitor = { check: () => undefined, text: (text: string) => void texts.push(text) };
    const summary = walkMsgpack(new MemorySource(Uint8Array.from(bytes), 'x'), visitor);
    return { texts, ...summary };
  };

  it('walks maps, arrays, numbers and extensions', () => {
    const { texts, extensions, endOffset } = walk([
      0x82, 0xa1, 0x61, 0x92, 1, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0xa1, 0x62, 0xd4, 1, 7,
    ]);
    expect(texts).toEqual(['a', 'b']);
    expect([...extensions]).toEqual([[1, 1]]);
    expect(endOffset).toBe(19);
  });

  it('refuses depth, lengths and the unused byte', () => {
    expect(() => walk(Array(500).fill(0x91))).toThrow(/deeper/);
    expect(() => walk([0xdd, 0xff, 0xff, 0xff, 0xff])).toThrow(/wanted/);
    expect(() => walk([0xc1])).toThrow(/never uses/);
  });
});
