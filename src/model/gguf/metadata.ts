/** Typed access to a GGUF file's metadata: scalars by key, arrays read on demand. */
import type { ByteSource } from '../../artifact/byte-source.ts';
import { ggufStrings, readGguf } from '../../artifact/gguf/reader.ts';
import { type GgufArray, type GgufFile, SCALAR_BYTES } from '../../artifact/gguf/types.ts';
import { ScanError } from '../../errors.ts';

/** Far above any published vocabulary. */
const MAX_ARRAY_ELEMENTS = 4_000_000;

export class GgufMetadata {
  readonly file: GgufFile;
  readonly path: string;
  readonly architecture: string;
  readonly #source: ByteSource;

  /** @throws ScanError as `readGguf`, `E_FORMAT` without an architecture */
  constructor(source: ByteSource, path: string) {
    this.#source = source;
    this.path = path;
    this.file = readGguf(source);
    const architecture = this.text('general.architecture');
    if (architecture === undefined) {
      throw new ScanError('E_FORMAT', 'the metadata names no architecture', { file: path });
    }
    this.architecture = architecture;
  }

  get keys(): readonly string[] {
    return [...this.file.metadata.keys()];
  }

  text(key: string): string | undefined {
    const value = this.file.metadata.get(key)?.value;
    return typeof value === 'string' ? value : undefined;
  }

  number(key: string): number | undefined {
    const value = this.file.metadata.get(key)?.value;
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  }

  flag(key: string): boolean | undefined {
    const value = this.file.metadata.get(key)?.value;
    return typeof value === 'boolean' ? value : undefined;
  }

  /** Of the architecture's own keys, as in `llama.block_count`. */
  own(key: string): number | undefined {
    return this.number(`${this.architecture}.${key}`);
  }

  strings(key: string): readonly string[] | undefined {
    const array = this.#array(key);
    if (array?.elementType !== 'string') return undefined;
    return [...ggufStrings(this.#source, this.file.version, array)];
  }

  numbers(key: string): readonly number[] | undefined {
    const array = this.#array(key);
    if (array === undefined) return undefined;
    const { elementType, byteOffset, byteLength, count } = array;
    if (elementType !== 'f32' && elementType !== 'i32' && elementType !== 'u32') return undefined;
    const bytes = this.#source.read(byteOffset, byteLength);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const width = SCALAR_BYTES[elementType];
    return Array.from({ length: count }, (_, i) => {
      if (elementType === 'f32') return view.getFloat32(i * width, true);
      return elementType === 'i32'
        ? view.getInt32(i * width, true)
        : view.getUint32(i * width, true);
    });
  }

  #array(key: string): GgufArray | undefined {
    const entry = this.file.metadata.get(key);
    if (typeof entry?.value !== 'object') return undefined;
    if (entry.value.count > MAX_ARRAY_ELEMENTS) {
      throw new ScanError('E_LIMIT', `${key} has ${entry.value.count} elements`, {
        file: this.path,
        byteOffset: entry.valueOffset,
      });
    }
    return entry.value;
  }
}
