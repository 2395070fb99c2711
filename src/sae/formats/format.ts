/** What a family of dictionary files is to the registry. */
import type { Dictionary } from '../dictionary.ts';

export interface SaeFormat {
  readonly name: string;
  /**
   * Whether this family's files look like this one; reads no more than names and small text files.
   * @param file absolute real path of a weights file
   */
  readonly matches: (file: string) => boolean;
  /** @throws ScanError `E_SAE` or what the reader of the file throws */
  readonly load: (file: string) => Dictionary;
}
