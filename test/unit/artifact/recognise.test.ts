import { describe, expect, it } from 'vitest';
import { MemorySource } from '../../../src/artifact/byte-source.ts';
import { recognise } from '../../../src/artifact/recognise.ts';

function of(bytes: Uint8Array | string, name = 'file') {
  const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
  return recognise(new MemorySource(data, name), name);
}

function safetensors(header: string, length = header.length): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(length));
  return Buffer.concat([head, Buffer.from(header)]);
}

describe('recognise', () => {
  it.each([
    ['\x80\x04N.', 'pickle'],
    ['(lp0\nI1\na.', 'pickle'],
    ["cos\nsystem\n(S'x'\ntR\xff\xff", 'pickle'],
    ['PK\x03\x04rest', 'zip'],
    ['\x93NUMPY\x01\x00', 'npy'],
    ['GGUF\x03\x00\x00\x00', 'gguf'],
    ['\x89HDF\r\n\x1a\n', 'hdf5'],
    ['{"a": 1}', 'json'],
    ['plain text\n', 'text'],
    ['Not a pickle, only words.\nAnd more.\n', 'text'],
    ['cat\ndog\n', 'text'],
    ['car\ntruck\nbird\ncat\ndog\n', 'text'],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'lfs-pointer'],
    ['', 'empty'],
  ])('reads %j as %s', (bytes, format) => {
    expect(of(bytes).format).toBe(format);
  });

  it('is not misled by a safetensors length that reads as opcodes', () => {
    const header = `{${' '.repeat(11_921)}}`;
    const file = safetensors(header);
    expect(file.readUInt16LE()).toBe(11_923);
    expect(of(file, 'model.safetensors')).toEqual({
      format: 'safetensors',
      also: [],
      extension: 'safetensors',
    });
  });

  it('keeps a second reading of a polyglot', () => {
    const directory = Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.alloc(42)]);
    const end = Buffer.alloc(22);
    end.write('PK\x05\x06');
    end.writeUInt32LE(directory.byteLength, 12);
    const file = Buffer.concat([safetensors('{}'), directory, end]);
    expect(of(file, 'a.safetensors').also).toEqual(['zip']);
  });

  it('compares the name with the content', () => {
    expect(of('\x80\x04N.', 'model.safetensors').expected).toEqual(['safetensors']);
    expect(of('\x80\x04N.', 'model.bin').expected).toBeUndefined();
    expect(of('{}', 'config.json').expected).toBeUndefined();
  });
});
